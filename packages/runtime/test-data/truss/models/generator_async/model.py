class Model:
    async def predict(self, model_input):
        yield b"first "
        for word in model_input["words"]:
            yield word
