import os


class Model:
    def __init__(self, config, secrets, data_dir, environment, lazy_data_resolver):
        self.config, self.secrets, self.data_dir = config, secrets, data_dir
        self.environment, self.resolver = environment, lazy_data_resolver

    def load(self):
        self.resolver.block_until_download_complete()

    def predict(self, model_input):
        name = model_input["secret"]
        try:
            secret = self.secrets[name]
        except Exception as error:
            secret = type(error).__name__
        try:
            listed = list(self.secrets)
        except Exception as error:
            listed = type(error).__name__
        return {
            "metadata": self.config["model_metadata"],
            "concurrency": self.config["runtime"]["predict_concurrency"],
            "secret": secret,
            "listed": listed,
            "data": (self.data_dir / "note.txt").read_text(),
            "environment": self.environment,
            "variable": os.environ.get("OWN_VARIABLE"),
        }
