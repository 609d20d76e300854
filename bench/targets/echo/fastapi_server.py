"""The echo model in FastAPI and uvicorn, one process: python fastapi_server.py PORT DIRECTORY."""

import sys
from typing import Any

import uvicorn
from fastapi import Body, FastAPI

app = FastAPI()


@app.post("/predict")
async def predict(body: Any = Body()) -> Any:
    return body


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False)
