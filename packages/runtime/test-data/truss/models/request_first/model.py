from starlette.requests import Request


class Model:
    def predict(self, request: Request, model_input):
        return model_input
