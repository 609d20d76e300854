import fastapi


class Model:
    def predict(self, model_input):
        raise fastapi.HTTPException(
            status_code=model_input["status"], detail=model_input["detail"], headers={"x-own": "1"}
        )
