from typing import AsyncGenerator, Awaitable, Union

from pydantic import BaseModel


class Input(BaseModel):
    stream: bool


class Output(BaseModel):
    text: str


class Model:
    async def predict(self, model_input: Input) -> Union[Awaitable[Output], AsyncGenerator[str, None]]:
        async def words():
            yield "a"
            yield "b"

        return words() if model_input.stream else Output(text="whole")
