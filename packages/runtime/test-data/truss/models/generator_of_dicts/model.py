class Model:
    async def predict(self, model_input):
        yield "text"
        yield {"chunk": 2}
        yield "after"
