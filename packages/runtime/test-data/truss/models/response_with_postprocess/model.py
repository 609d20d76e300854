from fastapi.responses import PlainTextResponse


class Model:
    def predict(self, model_input):
        return PlainTextResponse("never seen")

    def postprocess(self, result):
        return result
