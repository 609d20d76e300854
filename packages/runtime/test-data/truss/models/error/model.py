class Model:
    def preprocess(self, model_input):
        if model_input == "preprocess":
            raise KeyError("in preprocess")
        return model_input

    def predict(self, model_input):
        raise ValueError("a secret of the author")
