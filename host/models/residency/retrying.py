"""Answers a device that is full while a module computes: once by making room and computing again."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import nn  # noqa: TID253


def retry_when_full(module: nn.Module, make_room: Callable[[], None]) -> None:
    """Call ``make_room`` and compute once more where the module, or a child of it, runs out of its device's memory.

    Children are covered for the sake of modules that are used by methods of their own, as a VAE by ``encode`` and
    ``decode``. Only the outermost call is repeated; a second failure is the caller's to know of.
    """
    retry = _Retry(make_room)
    for each in (module, *module.children()):
        each.forward = retry.around(each.forward)


class _Retry:
    def __init__(self, make_room: Callable[[], None]) -> None:
        self._make_room = make_room
        self._inside = False

    def around(self, forward: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(forward)
        def call(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return forward(*args, **kwargs)
            self._inside = True
            try:
                return self._twice(forward, args, kwargs)
            finally:
                self._inside = False

        return call

    def _twice(self, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        try:
            return forward(*args, **kwargs)
        except torch.OutOfMemoryError:
            pass  # what the failed call holds falls free only when its error does, which is here
        self._make_room()
        return forward(*args, **kwargs)
