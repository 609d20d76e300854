class Model:
    def predict(self, model_input):
        yield "before"
        raise ValueError("in the middle")
