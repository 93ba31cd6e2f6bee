"""Compiles the repeated blocks of borrowed modules: a compilation serves all blocks of one kind, and every patch.

Layers whose weights stand in for themselves are left as they are: compiled code calls them by number, so that it
holds no weights. What lies between them is what becomes faster.
"""

from __future__ import annotations

import logging
import os
import shutil
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import nn  # noqa: TID253

from host.models.computing.hidden_layers import weights_hidden
from host.models.errors import CompilingFailed
from sdk.models import COMPILE_BACKENDS, RUN_EAGERLY

logger = logging.getLogger(__name__)

_CACHE_VARIABLE = "TORCHINDUCTOR_CACHE_DIR"
_KINDS_OF_BLOCKS = 64
"""So many compilations one piece of code may have: one for each width, whatever the picture's size is."""


class Compiler:
    """Compiles and remembers what it has compiled, as long as the modules live. Its caller holds the manager's lock.

    Args:
        cache: where compiled code is kept for later processes, unless the environment says so; None for torch's own
            choice.
    """

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache
        self._compiled: weakref.WeakKeyDictionary[nn.Module, dict[str, _Blocks]] = weakref.WeakKeyDictionary()

    @contextmanager
    def compiled(self, module: nn.Module, backend: str, *, must: bool) -> Iterator[None]:
        """The module with its repeated blocks compiled, for the length of a ``with`` block.

        Compiling happens when the blocks are first called.

        Args:
            backend: one of ``COMPILE_BACKENDS``.
            must: raise CompilingFailed where it can't be done, instead of saying so once and going on without.
        """
        backends = self._compiled.setdefault(module, {})
        if backend not in backends:
            backends[backend] = self._blocks(module, backend, must)
        with backends[backend].active(must=must):
            yield

    def _blocks(self, module: nn.Module, backend: str, must: bool) -> _Blocks:
        fault = _fault(module, backend)
        if fault and must:
            raise CompilingFailed(backend, fault)
        if self._cache is not None:
            _keep_compiled_code(self._cache)
        return _Blocks(module, backend, fault)


def _keep_compiled_code(folder: Path) -> None:
    """Unless the user has chosen a folder: torch itself sets the variable to its own choice when it is imported."""
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    if os.environ.get(_CACHE_VARIABLE) in (None, default_cache_dir()):
        os.environ[_CACHE_VARIABLE] = str(folder)


def _fault(module: nn.Module, backend: str) -> str:
    """Why it can't be done at all; empty if nothing is known to be in the way."""
    on_cpu = all(parameter.device.type == "cpu" for parameter in module.parameters())
    if backend not in COMPILE_BACKENDS:
        return f"backends are called {', '.join(COMPILE_BACKENDS)}"
    if backend == "cudagraphs" and on_cpu:
        return "the model runs on the CPU, which has no CUDA graphs; use inductor"
    if on_cpu and not any(map(shutil.which, ("g++", "clang++", os.environ.get("CXX") or "g++"))):
        return "there is no C++ compiler; install g++"
    return ""


class _Blocks:
    """The repeated blocks of one module, compiled by one backend; ``fault`` says why they aren't."""

    def __init__(self, module: nn.Module, backend: str, fault: str) -> None:
        self._module, self._backend, self._must = weakref.ref(module), backend, True
        self._fault = ""
        self._calls: Sequence[tuple[nn.Module, Callable[..., Any]]] = ()
        if fault:
            self._give_up(fault)
        else:
            self._calls = [(block, self._guarded(block)) for block in repeated_blocks(module)]

    @contextmanager
    def active(self, *, must: bool) -> Iterator[None]:
        module = self._module()
        if self._fault and must:
            raise CompilingFailed(self._backend, self._fault)
        if self._fault or module is None:
            yield
            return
        self._must = must
        before = [(block, block._compiled_call_impl) for block, _ in self._calls]
        with weights_hidden([block for block, _ in self._calls]), _many_kinds_of_blocks():
            try:
                for block, call in self._calls:
                    block._compiled_call_impl = call
                yield
            finally:
                for block, call_before in before:
                    block._compiled_call_impl = call_before

    def _guarded(self, block: nn.Module) -> Callable[..., Any]:
        """The block's call: compiled, unless it can't be, or what is inside of it differs from call to call."""
        eager: Callable[..., Any] = block._call_impl
        compiled = torch.compile(eager, dynamic=True, backend=self._backend)
        failures = _failures()

        def call(*args: Any, **kwargs: Any) -> Any:
            if self._fault or torch.is_grad_enabled() or getattr(self._module(), RUN_EAGERLY, False):
                return eager(*args, **kwargs)
            try:
                return compiled(*args, **kwargs)
            except failures as error:
                self._give_up(_first_line(error))
                if self._must:
                    raise CompilingFailed(self._backend, self._fault) from error
                return eager(*args, **kwargs)

        return call

    def _give_up(self, fault: str) -> None:
        self._fault = fault
        logger.warning("compiling with %s failed, and the model runs as it is: %s", self._backend, fault)


@cache
def _failures() -> tuple[type[Exception], ...]:
    from torch._dynamo.exc import TorchDynamoException
    from torch._inductor.exc import CppCompileError, InvalidCxxCompiler

    return (TorchDynamoException, CppCompileError, InvalidCxxCompiler)


def _many_kinds_of_blocks() -> Any:
    import torch._dynamo.config

    return torch._dynamo.config.patch(recompile_limit=_KINDS_OF_BLOCKS)


def _first_line(error: Exception) -> str:
    cause = getattr(error, "inner_exception", error)
    return next(iter(str(cause).strip().splitlines()), type(cause).__name__)


def repeated_blocks(module: nn.Module) -> list[nn.Module]:
    """The innermost members of lists of modules that have several layers: residual blocks, transformer blocks."""
    listed = [each for members in module.modules() if isinstance(members, nn.ModuleList) for each in members]
    blocks = {each: None for each in listed if sum(isinstance(layer, _LAYERS) for layer in each.modules()) > 1}
    return [each for each in blocks if not any(inner in blocks for inner in each.modules() if inner is not each)]


_LAYERS = (nn.Linear, nn.Conv2d)
