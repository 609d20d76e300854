from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse


class Model:
    def predict(self, model_input):
        kind = model_input["kind"]
        if kind == "json":
            return JSONResponse({"a": "ü"}, status_code=201, headers={"x-own": "1"})
        if kind == "missing":
            return PlainTextResponse("not here", status_code=404, headers={"x-own": "1"})
        if kind == "redirect":
            return Response(status_code=307, headers={"location": "/elsewhere"})
        if kind == "bytes":
            return Response(content=b"\x00\x01\x02", media_type="image/png")
        return StreamingResponse(iter(["a", "b", "c"]), media_type="text/event-stream")
