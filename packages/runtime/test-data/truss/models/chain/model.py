class Model:
    def preprocess(self, model_input):
        return {"pre": model_input}

    async def predict(self, model_input):
        return {"predicted": model_input}

    def postprocess(self, result):
        return {"post": result}
