"""Makes a module use another attention function than torch's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from torch import Tensor, nn  # noqa: TID253 - this module is loaded when weights are
from torch.nn.functional import scaled_dot_product_attention  # noqa: TID253
from torch.overrides import TorchFunctionMode  # noqa: TID253

AttentionFunction = Callable[..., Tensor]


def use_attention(module: nn.Module, attention: AttentionFunction) -> None:
    """Run ``attention`` wherever the module would run ``scaled_dot_product_attention``, with the same arguments.

    It holds for calls of the module and of its children, so that a VAE's ``encode`` and ``decode`` are covered, and
    for nothing outside of them.
    """
    override = _Override(attention)
    for each in (module, *module.children()):
        each.register_forward_pre_hook(override.enter)
        each.register_forward_hook(override.leave, always_call=True)


class _Override:
    """Enters the mode at the outermost call: a second one around it would replace the function's own call."""

    def __init__(self, attention: AttentionFunction) -> None:
        self._attention = attention
        self._calls: list[ExitStack] = []

    def enter(self, module: nn.Module, args: Any) -> None:
        call = ExitStack()
        if not self._calls:
            call.enter_context(_AttentionMode(self._attention))
        self._calls.append(call)

    def leave(self, module: nn.Module, args: Any, output: Any) -> None:
        self._calls.pop().close()


class _AttentionMode(TorchFunctionMode):
    def __init__(self, attention: AttentionFunction) -> None:
        super().__init__()
        self._attention = attention

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        chosen = self._attention if func is scaled_dot_product_attention else func
        return chosen(*args, **(kwargs or {}))
