class Model:
    def __init__(self, **kwargs):
        self.names = sorted(kwargs)

    def predict(self, model_input):
        return self.names
