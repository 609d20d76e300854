"""The life of a worker: start, load, calls, reload, shutdown. What each message means is in `protocol.ts`."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, Dict, List, NoReturn, Optional

from corral._link import bind

from .cuda_on_cpu import install as stand_in
from .errors import ModelDefinitionError, named, user_trace
from .incoming import Incoming
from .logs import Log, LogHandler
from .model import LoadedModel, NeedsLoad, Stage, load_model
from .outgoing import Outgoing
from .output import Output
from .serving import describe_schemas
from .wire import Wire

PROTOCOL = 1
METHODS = ("predict", "chat_completions", "completions", "embeddings", "messages", "responses", "websocket", "is_healthy")


class Worker:
    """Made on the running loop."""

    def __init__(self, wire: Wire, cuda_on_cpu: bool) -> None:
        self._wire = wire
        self._log = Log(wire.send)
        if cuda_on_cpu:
            stand_in(self._log.warning)
        self._outgoing = Outgoing(wire)
        self._incoming: Dict[int, Incoming] = {}
        self._model: Optional[LoadedModel] = None
        self._answer_bytes = 0
        self._directory = Path()
        self._over: "asyncio.Future[int]" = asyncio.get_running_loop().create_future()
        self._tasks: List["asyncio.Task[Any]"] = []
        self._outputs: List[Output] = []

    async def run(self) -> int:
        """Serves until it is told to end; gives the exit status."""
        bind(self._outgoing, asyncio.get_running_loop())
        self._wire.start(self._take, _end_at_once)
        status = await self._over
        await self._wire.flushed()
        return status

    def _take(self, message: Dict[str, Any], body: bytes) -> None:
        kind = message["kind"]
        if kind == "call":
            self._begin(message, body)
        elif kind in ("answer", "chunk", "end", "error"):
            self._outgoing.take(message, body)
        elif kind in ("cancel", "pause", "resume", "input", "input_end"):
            self._tell(kind, message, body)
        elif kind == "ping":
            self._wire.send({"kind": "pong", "number": message["number"]})
        elif kind == "start":
            self._spawn(self._load(message))
        elif kind == "reload":
            self._spawn(self._reload(message))
        elif kind == "environment":
            self._spawn(self._tell_environment(message["environment"]))
        elif kind == "shutdown":
            self._spawn(self._shut_down())

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.append(task)
        task.add_done_callback(self._tasks.remove)

    def _begin(self, message: Dict[str, Any], body: bytes) -> None:
        if self._model is None:
            return  # the replica calls nothing before `loaded`
        incoming = Incoming(message, body, self._wire, self._answer_bytes, self._end_lines)
        self._incoming[incoming.number] = incoming
        task = incoming.begin(self._model.serving, self._log)
        task.add_done_callback(lambda _: self._incoming.pop(incoming.number, None))

    def _end_lines(self) -> None:
        for output in self._outputs:
            output.end_call()

    def _tell(self, kind: str, message: Dict[str, Any], body: bytes) -> None:
        incoming = self._incoming.get(message["id"])
        if incoming is None:
            return
        if kind == "cancel":
            incoming.cancel()
        elif kind == "pause":
            incoming.pause()
        elif kind == "resume":
            incoming.resume()
        elif kind == "input":
            incoming.input(message["text"], body)
        else:
            incoming.input_end(message["close_code"])

    async def _load(self, start: Dict[str, Any]) -> None:
        stage = Stage(lambda name: self._wire.send({"kind": "stage", "stage": name}))
        try:
            if start["protocol"] != PROTOCOL:
                raise RuntimeError("The replica speaks protocol %s, this worker %d." % (start["protocol"], PROTOCOL))
            self._directory = Path(start["directory"])
            self._answer_bytes = start["answer_bytes"]
            self._log.model_file = start["file"]
            self._take_over_logging(start["config"])
            model = await load_model(start, self._log, stage)
        except (Exception, SystemExit) as error:
            self._wire.send({"kind": "failed", **self._failure(stage, error)})
            self._over.set_result(1)
            return
        self._model = model
        self._wire.send(
            {"kind": "loaded", **self._described(model), "load_ms": stage.load_ms, "warnings": model.warnings}
        )

    def _take_over_logging(self, config: Dict[str, Any]) -> None:
        debug = bool((config.get("runtime") or {}).get("enable_debug_logs"))
        self._outputs = [Output(sys.stdout, self._log), Output(sys.stderr, self._log)]
        sys.stdout, sys.stderr = self._outputs  # type: ignore[assignment]
        logging.root.addHandler(LogHandler(self._log))
        logging.root.setLevel(logging.DEBUG if debug else logging.INFO)

    def _described(self, model: LoadedModel) -> Dict[str, Any]:
        definition = model.serving.definition
        return {
            "methods": [name for name in METHODS if definition.get(name) is not None],
            "schemas": describe_schemas(definition),
        }

    def _failure(self, stage: "Stage", error: BaseException) -> Dict[str, Any]:
        found: Dict[str, Any] = {
            "stage": "definition" if isinstance(error, ModelDefinitionError) else stage.name,
            "message": named(error),
            "traceback": user_trace(error, self._log.model_file),
        }
        place = _place(error, self._directory)
        return {**found, **place}

    async def _reload(self, message: Dict[str, Any]) -> None:
        model = self._model
        if model is None:
            return
        directory, packages = message.get("directory"), message.get("packages_directory")
        root = self._directory if directory is None else Path(directory)
        try:
            await asyncio.get_running_loop().run_in_executor(None, model.hot_reload, directory, packages)
        except NeedsLoad as error:
            self._wire.send({"kind": "reload_failed", "message": str(error), "needs_load": True})
            return
        except (Exception, SystemExit) as error:
            trace = user_trace(error, self._log.model_file)
            failed = {"kind": "reload_failed", "message": named(error), "traceback": trace}
            self._wire.send({**failed, **_place(error, root)})
            return
        self._directory = root
        self._wire.send({"kind": "reloaded", **self._described(model)})

    async def _tell_environment(self, environment: Optional[Dict[str, Any]]) -> None:
        if self._model is None:
            return
        try:
            await self._model.serving.change_environment(environment)
        except Exception as error:
            self._log.error("Exception while setting up environment: %s" % error, error=error)

    async def _shut_down(self) -> None:
        while self._incoming:
            await asyncio.sleep(0.02)
        if not self._over.done():
            self._over.set_result(0)


def _place(error: BaseException, root: Path) -> Dict[str, Any]:
    """The last place in the author's files, by path in the bundle."""
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename is not None:
        places.append((error.filename, error.lineno))
    for filename, line in reversed(places):
        try:
            path = Path(filename).relative_to(root)
        except ValueError:
            continue
        return {"file": path.as_posix(), **({} if line is None or line < 1 else {"line": line})}
    return {}


def _end_at_once() -> NoReturn:
    """The replica has gone: with this process its children end, where they are in its group."""
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def serve(wire_descriptor: int, *, cuda_on_cpu: bool) -> NoReturn:
    """Takes over the process. `cuda_on_cpu`: see that module."""
    import socket

    # Never a child's: while somebody holds it, the replica does not see this process end.
    os.set_inheritable(wire_descriptor, False)
    sock = socket.socket(fileno=wire_descriptor)
    os.register_at_fork(after_in_child=sock.close)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]

    async def main() -> int:
        return await Worker(Wire(sock), cuda_on_cpu).run()

    status = asyncio.run(main())
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of the author's that never end must not keep a worker that has nothing left to do.
    os._exit(status)
