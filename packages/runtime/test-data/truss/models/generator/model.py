class Model:
    def predict(self, model_input):
        for word in model_input["words"]:
            yield word
