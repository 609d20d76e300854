"""The loaded model and what happens to it as a whole: loading, stage by stage, and hot reload.

Source of hot reload: truss 0.18.35, which runs the file again and gives the living object its new class, without
`__init__` and without `load`, so that whatever the object holds stays.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any, Callable, Dict, List, Optional, Tuple

from .definition import Definition, define
from .loading import Source, construct, load
from .same_code import loading_difference
from .logs import Log
from .serving import Serving


class NeedsLoad(Exception):
    """Nothing is wrong with the new code, but the living object cannot take it."""


class Stage:
    """How far loading has come; `load_ms` is of the author's `load` alone."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.name = "import"
        self.load_ms = 0.0
        self._tell = tell

    def enter(self, name: str) -> None:
        self.name = name
        self._tell(name)


class LoadedModel:
    """Made by `load_model`."""

    def __init__(self, instance: Any, source: Source, serving: Serving) -> None:
        self.instance = instance
        self.serving = serving
        self.warnings: List[str] = []
        self._source = source

    def hot_reload(self, directory: Optional[str] = None, packages: Optional[str] = None) -> None:
        """Takes the code from where it is now; default: where it was. Calls that run end on the old code. Raises what
        the new file raises, or NeedsLoad, and the old code stays."""
        old = self._source
        new = old if directory is None or packages is None else old.moved(directory, packages)
        own = old.own_modules()
        for name, _ in own:
            sys.modules.pop(name, None)
        old_class = type(self.instance)
        try:
            new.take_place_of(old)
            new_class = new.run()
            changed = loading_difference(old_class, new_class)
            if changed is not None:
                raise NeedsLoad("`%s` has changed, and runs again." % changed)
            try:
                self.instance.__class__ = new_class
            except TypeError as error:
                raise NeedsLoad("The object cannot take its new class: %s" % error) from error
            definition = define(self.instance)
        except BaseException:
            self.instance.__class__ = old_class
            for name, _ in new.own_modules():
                sys.modules.pop(name, None)
            sys.modules.update(own)
            old.take_place_of(new)
            raise
        self._source = new
        self.serving.definition = definition


async def load_model(start: Dict[str, Any], log: Log, stage: Stage) -> LoadedModel:
    """Of a `start` message. Raises what the author's file, constructor, `setup_environment` or `load` raises, or
    ModelDefinitionError."""
    environment = start["environment"]

    def make() -> Tuple[Any, Source, Definition]:
        source = Source(start)
        stage.enter("import")
        source.prepare()
        model_class = source.run()
        stage.enter("construct")
        instance = construct(model_class, source, start["config"], start["secrets"], environment)
        return instance, source, define(instance)

    # In a thread, as with Truss: a constructor may take long, or run an event loop of its own.
    instance, source, definition = await asyncio.get_running_loop().run_in_executor(None, make)
    runtime = start["config"].get("runtime") or {}
    serving = Serving(definition, log, start["predict_concurrency"], runtime.get("streaming_read_timeout") or 60.0)
    if environment is not None and definition.get("setup_environment") is not None:
        stage.enter("setup_environment")
        await serving.setup_environment(environment)
    stage.enter("load")
    started = time.perf_counter()
    await load(instance, start["load_retries"], log)
    stage.load_ms = (time.perf_counter() - started) * 1000
    return LoadedModel(instance, source, serving)
