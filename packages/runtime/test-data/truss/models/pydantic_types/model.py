from typing import Optional

from pydantic import BaseModel


class Point(BaseModel):
    x: int
    y: float = 1.5


class Input(BaseModel):
    name: str
    points: list[Point] = []


class Output(BaseModel):
    greeting: str
    count: Optional[int] = None


class Model:
    async def predict(self, model_input: Input) -> Output:
        return Output(greeting="hello " + model_input.name, count=len(model_input.points))
