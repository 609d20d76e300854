from starlette.requests import Request


class Model:
    async def predict(self, request: Request):
        return {"length": len(await request.body()), "type": request.headers.get("content-type")}
