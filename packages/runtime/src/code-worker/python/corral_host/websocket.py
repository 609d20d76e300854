"""A websocket of the model: Starlette's WebSocket object over the wire's messages.

The server accepts first; a normal end closes with 1000, an exception with 1011, a model without the method with 1003.
Source: truss 0.18.35, templates/server/truss_server.py.
"""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

from .asgi import scope_of
from .definition import Definition
from .errors import MODEL_ERROR
from .exchange import Exchange
from .logs import Log


class Socket:
    """The wire's side of one websocket."""

    async def accept(self) -> None:
        """Messages may be sent from now on."""
        raise NotImplementedError

    async def receive(self) -> Tuple[str, Any]:
        """`("text", str)`, `("bytes", bytes)` or `("closed", code)`."""
        raise NotImplementedError

    async def send_text(self, text: str) -> None:
        raise NotImplementedError

    async def send_bytes(self, data: bytes) -> None:
        raise NotImplementedError

    async def close(self, code: int, reason: str) -> None:
        """May be called more than once; the first counts."""
        raise NotImplementedError


async def serve_websocket(definition: Definition, exchange: Exchange, socket: Socket, log: Log) -> None:
    """Returns when the method has returned; raises nothing but cancellation."""
    method = definition.get("websocket")
    if method is None:
        log.error("WebSocket is not implemented on this deployment.")
        await socket.close(1003, "WebSocket is not implemented on this deployment.")
        return
    from starlette.websockets import WebSocket, WebSocketDisconnect  # installed for every model with the method

    websocket = WebSocket(_scope(exchange), *_channel(socket))
    try:
        await websocket.accept()
        await method.call(websocket)
        await socket.close(1000, "")
    except WebSocketDisconnect as gone:
        log.info("Client terminated websocket connection: `%s`." % gone)
    except Exception as error:
        log.error(MODEL_ERROR, error=error)
        await socket.close(1011, MODEL_ERROR)


def _scope(exchange: Exchange) -> Dict[str, Any]:
    scope = scope_of(exchange)
    scope.pop("method")
    return {**scope, "type": "websocket", "scheme": "ws", "subprotocols": []}


def _channel(socket: Socket) -> Tuple[Any, Any]:
    connected = False

    async def receive() -> Dict[str, Any]:
        nonlocal connected
        if not connected:
            connected = True
            return {"type": "websocket.connect"}
        kind, value = await socket.receive()
        if kind == "closed":
            return {"type": "websocket.disconnect", "code": value, "reason": ""}
        return {"type": "websocket.receive", kind: value}

    async def send(message: Dict[str, Any]) -> None:
        if message["type"] == "websocket.close":
            await socket.close(message.get("code", 1000), message.get("reason") or "")
        elif message["type"] == "websocket.accept":
            await socket.accept()
        elif message["type"] == "websocket.send":
            data: Optional[bytes] = message.get("bytes")
            if data is not None:
                await socket.send_bytes(bytes(data))
            else:
                await socket.send_text(message["text"])

    return receive, send
