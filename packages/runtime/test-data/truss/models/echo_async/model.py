class Model:
    async def predict(self, model_input):
        return {"got": model_input}
