class Model:
    def load(self):
        raise OSError("never")

    def predict(self, model_input):
        return model_input
