"""Attention functions with the arguments of torch's ``scaled_dot_product_attention``."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import Any


@cache
def attention_function(use: tuple[str, ...]) -> Callable[..., Any]:
    """The function that a rule names: torch's own held to some backends, or one of somebody's module.

    Raises:
        ImportError, AttributeError: there is no such module or function.
    """
    if ":" in use[0]:
        module, _, name = use[0].partition(":")
        function: Callable[..., Any] = getattr(importlib.import_module(module), name)
        return function
    return _held_to(use)


def _held_to(names: tuple[str, ...]) -> Callable[..., Any]:
    """Torch's attention by the first of these backends that can compute a call; it raises where none can."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.functional import scaled_dot_product_attention

    by_name = {
        "math": SDPBackend.MATH,
        "flash": SDPBackend.FLASH_ATTENTION,
        "efficient": SDPBackend.EFFICIENT_ATTENTION,
        "cudnn": SDPBackend.CUDNN_ATTENTION,
    }
    backends = [by_name[name] for name in names]

    def attention(*args: Any, **kwargs: Any) -> Any:
        with sdpa_kernel(backends, set_priority=True):
            return scaled_dot_product_attention(*args, **kwargs)

    return attention
