class Model:
    def predict(self, model_input):
        return self._words(model_input["words"])

    def chat_completions(self, model_input):
        return self._words(model_input["words"])

    def _words(self, words):
        for word in words:
            yield word + "\n"
