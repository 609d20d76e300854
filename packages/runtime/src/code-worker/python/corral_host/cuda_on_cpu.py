"""Where a config asks for a GPU and the machine has none: PyTorch takes "cuda" for the processor, so that code which
names its device runs, and computes in float32 what it cannot in float16. What asks whether there is a GPU is told the truth.

Nothing is imported here: PyTorch is changed once the author's code imports it. Only what moves tensors and modules is
changed. Functions that make tensors stay as they are: other parts of PyTorch, and transformers 5, know them by identity.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.machinery
import sys
import weakref
from types import ModuleType
from typing import Any, Callable, Optional, Sequence

#: Called once, with a sentence, when code first asks for a GPU.
Tell = Callable[[str], None]


def install(tell: Tell) -> None:
    """To be called before the author's code is run."""
    sys.meta_path.insert(0, _AfterTorch(tell))


class _AfterTorch(importlib.abc.MetaPathFinder):
    """Finds PyTorch as everybody would, and runs `_stand_in` after it."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def find_spec(
        self, fullname: str, path: Optional[Sequence[str]], target: Optional[ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        if fullname != "torch":
            return None
        sys.meta_path.remove(self)
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def run_and_change(module: ModuleType) -> None:
            run(module)
            if not module.cuda.is_available():
                _stand_in(module, self._tell)

        spec.loader.exec_module = run_and_change  # type: ignore[method-assign]
        return spec


def _stand_in(torch: Any, tell: Tell) -> None:
    told = []

    def instead(value: Any) -> Any:
        """The processor for a GPU; everything else as it is."""
        names_gpu = isinstance(value, str) and value.partition(":")[0] == "cuda"
        if not names_gpu and not (isinstance(value, torch.device) and value.type == "cuda"):
            return value
        if not told:
            told.append(True)
            tell('The code asks PyTorch for the device "cuda", and there is none: it gets "cpu".')
        return torch.device("cpu")

    def changed(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if "device" in kwargs:
                # A bare number is a GPU's, too.
                kwargs["device"] = instead("cuda" if type(kwargs["device"]) is int else kwargs["device"])
            # The first is what is moved.
            return function(*args[:1], *[instead(value) for value in args[1:]], **kwargs)

        return call

    def to_gpu(self: Any, *_args: Any, **_kwargs: Any) -> Any:
        instead("cuda")
        return self

    torch.Tensor.to = changed(torch.Tensor.to)
    torch.Tensor.cuda = to_gpu
    torch.nn.Module.to = changed(torch.nn.Module.to)
    torch.nn.Module.cuda = to_gpu
    if not _has_half(torch):
        _compute_in_float32(torch, tell)


def _has_half(torch: Any) -> bool:
    """PyTorch before 2.2 multiplies no float16 on the processor."""
    try:
        torch.nn.functional.linear(torch.ones(1, 1).half(), torch.ones(1, 1).half(), torch.ones(1).half())
    except RuntimeError:
        return False
    return True


def _compute_in_float32(torch: Any, tell: Tell) -> None:
    """Modules in float16 become float32 when they are first called, the outermost with all below it."""
    seen: "weakref.WeakSet[Any]" = weakref.WeakSet()

    def before(module: Any, args: Any) -> Any:
        if module in seen:
            return None
        seen.add(module)
        if any(parameter.dtype == torch.float16 for parameter in module.parameters()):
            tell("PyTorch %s computes no float16 on the processor: the model computes in float32." % torch.__version__)
            module.float()
            seen.update(module.modules())
        return None

    torch.nn.modules.module.register_module_forward_pre_hook(before)
