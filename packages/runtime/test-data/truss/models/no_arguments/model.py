class Model:
    def predict(self):
        return "none"
