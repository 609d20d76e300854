"""`model/model.py` → an instance of its class: the file is run, the constructor gets what it names, `load` is tried.

Source: truss 0.18.35, templates/server/model_wrapper.py. Deviations: a `load` that is a coroutine function is awaited;
code and data are where the bundle lies, without a container's fixed paths.
"""

from __future__ import annotations

import asyncio
import copy
import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, Iterator, List, Optional, Tuple

from .logs import Log

#: Between a failed load and the next try.
RETRY_SECONDS = 1.0


class SecretNotFound(Exception):
    """A secret was asked for that the config does not declare, or that has no value."""


class Secrets(Mapping):
    """Looked up by name and never listed. What the platform gives comes before the variable, and that before the
    config's own value."""

    def __init__(self, declared: Mapping, given: Mapping) -> None:
        self._declared = dict(declared)
        self._given = dict(given)

    def __getitem__(self, name: str) -> str:
        if name not in self._declared:
            raise SecretNotFound("Secret '%s' not specified in the config." % name)
        value = self._given.get(name) or os.environ.get("TRUSS_SECRET_" + name) or self._declared[name]
        if not value:
            raise SecretNotFound("Secret '%s' not found. Please check available secrets." % name)
        return str(value)

    def __iter__(self) -> Iterator[str]:
        raise NotImplementedError("Secrets are meant for lookup and can't be iterated on")

    def __len__(self) -> int:
        return len(self._declared)


class LazyDataResolver:
    """Files of `model_cache` and `weights` are in place before the code is started, so there is nothing to wait for."""

    def block_until_download_complete(self, log_stats: bool = True, issue_collect: bool = True) -> str:
        return ""


class Source:
    """Where the author's class is, as a `start` message says it."""

    def __init__(self, start: Mapping) -> None:
        self.root = Path(start["directory"])
        self.file = self.root / start["file"]
        self.class_name = start.get("class_name") or "Model"
        self.packages = Path(start["packages_directory"])
        self.data = Path(start["data_directory"])

    def prepare(self) -> None:
        """`from model.x import y` and bundled packages are found. As with Truss, the installed environment comes
        before bundled packages."""
        os.chdir(self.root)
        if str(self.root) not in sys.path:
            sys.path.insert(0, str(self.root))
        if self.packages.is_dir() and str(self.packages) not in sys.path:
            sys.path.append(str(self.packages))
        try:
            self.data.mkdir(parents=True, exist_ok=True)
        except OSError:
            pass  # a bundle that cannot be written to and brings no data

    def moved(self, directory: str, packages: str) -> "Source":
        """The same file in another directory; the data stay where the object has found them."""
        moved = copy.copy(self)
        moved.root, moved.packages = Path(directory), Path(packages)
        moved.file = moved.root / self.file.relative_to(self.root)
        return moved

    def take_place_of(self, other: "Source") -> None:
        """Imports find this one where they found the other."""
        os.chdir(self.root)
        places = {str(other.root): str(self.root), str(other.packages): str(self.packages)}
        sys.path[:] = [places.get(path, path) for path in sys.path]
        if self.packages.is_dir() and str(self.packages) not in sys.path:
            sys.path.append(str(self.packages))

    def run(self) -> type:
        """Runs the file and gives its class."""
        shown = self.file.relative_to(self.root)
        if not self.file.is_file():
            raise ImportError("There is no %s; a Python model has its class there." % shown)
        # A file that was written within the same second as the one before may have the same stamp.
        importlib.invalidate_caches()
        spec = importlib.util.spec_from_file_location(self.file.stem, self.file)
        if spec is None or spec.loader is None:
            raise ImportError("%s cannot be imported; name it with .py." % shown)
        module = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except ImportError as error:
            if "attempted relative import" in str(error):
                raise ImportError(
                    "%s imports relatively (from . import …), which the file of the model cannot; write "
                    "`from %s.name import …`." % (shown, self.file.parent.name)
                ) from error
            raise
        found = getattr(module, self.class_name, None)
        if not isinstance(found, type):
            raise AttributeError("%s has no class %s." % (shown, self.class_name))
        return found

    def own_modules(self) -> List[Tuple[str, ModuleType]]:
        """What was imported from the bundle."""
        own = []
        for name, module in list(sys.modules.items()):
            path = getattr(module, "__file__", None)
            if path is None:
                continue
            parents = Path(path).parents
            if self.root in parents or self.packages in parents:
                own.append((name, module))
        return own


def construct(
    model_class: type, source: Source, config: Mapping, given_secrets: Mapping, environment: Optional[Dict[str, Any]]
) -> Any:
    """An instance that got each of the known arguments that its constructor names, or all for `**kwargs`."""
    offered = {
        "config": dict(config),
        "data_dir": source.data,
        "secrets": Secrets(config.get("secrets") or {}, given_secrets),
        "lazy_data_resolver": LazyDataResolver(),
        "environment": environment,
    }
    parameters = inspect.signature(model_class).parameters
    takes_all = any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values())
    return model_class(**{name: value for name, value in offered.items() if takes_all or name in parameters})


async def load(model: Any, retries: int, log: Log) -> None:
    """Calls `load` in a thread, again after a pause where it fails. Raises what the last try raised."""
    call = getattr(model, "load", None)
    if call is None:
        return
    log.info("Executing model.load()...")
    for attempt in range(retries + 1):
        try:
            if inspect.iscoroutinefunction(call):
                await call()
            else:
                await asyncio.get_running_loop().run_in_executor(None, call)
            break
        except Exception as error:
            if attempt == retries:
                raise
            log.error("Failed to load model. Retrying in %g s." % RETRY_SECONDS, error=error)
            await asyncio.sleep(RETRY_SECONDS)
