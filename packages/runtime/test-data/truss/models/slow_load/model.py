import time


class Model:
    def load(self):
        time.sleep(4)

    def predict(self, model_input):
        return "loaded"
