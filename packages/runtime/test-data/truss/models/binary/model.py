class Model:
    def predict(self, model_input):
        if model_input == "raw":
            return b"\x01\x02"
        return {"type": type(model_input).__name__, "value": model_input}
