class Model:
    def run(self, model_input):
        return model_input
