class Model:
    async def is_healthy(self):
        raise RuntimeError("cannot say")

    def predict(self, model_input):
        return "still answers"
