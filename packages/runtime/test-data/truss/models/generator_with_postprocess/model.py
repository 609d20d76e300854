class Model:
    def predict(self, model_input):
        yield "never seen"

    def postprocess(self, result):
        return result
