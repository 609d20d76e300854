import fastapi


class Model:
    async def predict(self, model_input, request: fastapi.Request):
        return {
            "input": model_input,
            "header": request.headers.get("x-mine"),
            "method": request.method,
            "path": request.url.path,
            "query": dict(request.query_params),
            "body": (await request.body()).decode(),
            "gone": await request.is_disconnected(),
        }
