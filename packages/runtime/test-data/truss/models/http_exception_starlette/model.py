from starlette.exceptions import HTTPException


class Model:
    async def predict(self, model_input):
        raise HTTPException(status_code=418, detail="a teapot")
