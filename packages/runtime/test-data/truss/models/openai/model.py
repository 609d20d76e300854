class Model:
    def predict(self, model_input):
        return "predict"

    async def chat_completions(self, model_input):
        return {"object": "chat.completion", "got": model_input}

    def completions(self, model_input):
        yield "data: 1\n\n"
        yield "data: [DONE]\n\n"

    def embeddings(self, model_input):
        return {"object": "list", "got": model_input}

    def messages(self, model_input):
        return {"type": "message"}
