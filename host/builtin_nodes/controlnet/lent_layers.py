"""Layers that take their weights from the model at work, changed by products of low rank (Control-LoRA)."""

# ruff: noqa: TID253 - imported when a model is loaded, never on the start-up path
from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import Conv2d, GroupNorm, LayerNorm, Linear, Module, Parameter

from host.builtin_nodes.controlnet.errors import UnsupportedControl
from sdk.models import RUN_EAGERLY

_LENDER, _UP, _DOWN = "lender", "up", "down"


class LentLayer(Module):
    """A layer some of whose weights are those of a layer of the model: ``W + up @ down``, or as they are."""

    def __getattr__(self, name: str) -> Any:
        if name not in ("weight", "bias") or name in self._parameters:
            return super().__getattr__(name)
        lent: Tensor = getattr(self.__dict__[_LENDER], name)
        up, down = self._parameters.get(_UP), self._parameters.get(_DOWN)
        if name == "bias" or up is None or down is None:
            return lent
        difference = up.flatten(1) @ down.flatten(1)
        if difference.numel() != lent.numel() or len(difference) != len(lent):
            raise UnsupportedControl(f"a model with a layer of shape {list(lent.shape)}", [f"{list(difference.shape)}"])
        return lent.to(up) + difference.reshape(lent.shape)


class LentLinear(LentLayer, Linear):
    """See ``LentLayer``."""


class LentConvolution(LentLayer, Conv2d):
    """See ``LentLayer``."""


class LentGroupNorm(LentLayer, GroupNorm):
    """See ``LentLayer``."""


class LentLayerNorm(LentLayer, LayerNorm):
    """See ``LentLayer``."""


_LENT: Mapping[type[Module], type[LentLayer]] = {
    Linear: LentLinear,
    Conv2d: LentConvolution,
    GroupNorm: LentGroupNorm,
    LayerNorm: LentLayerNorm,
}


def with_lent_layers(network: Module, stored: Mapping[str, tuple[int, ...]]) -> Module:
    """The network without the weights that its file lacks, and with the factors that it has for them.

    Args:
        network: with all of its weights, under the meta device.
        stored: shapes of the tensors in the file, by names as the network's, ending in ``up`` and ``down`` for factors.
    """
    for path, layer in network.named_modules():
        lent = _LENT.get(type(layer))
        missing = [name for name in layer._parameters if f"{path}.{name}" not in stored]
        if lent is None or not any(layer._parameters[name] is not None for name in missing):
            continue
        for name in missing:
            if layer._parameters[name] is not None:
                del layer._parameters[name]
        for name in (_UP, _DOWN):
            if (shape := stored.get(f"{path}.{name}")) is not None:
                layer.register_parameter(name, Parameter(torch.empty(shape), requires_grad=False))
        layer.__class__ = lent
    # Compiled code would hold on to the weights of the model that lent them first.
    setattr(network, RUN_EAGERLY, True)
    return network


@contextmanager
def lent_by(network: Module, model: Any) -> Iterator[None]:
    """The network with its lent layers' weights at hand, those of the model's layers at the same paths.

    Raises:
        UnsupportedControl: the model has no such layers.
    """
    layers = [(path, layer) for path, layer in network.named_modules() if isinstance(layer, LentLayer)]
    try:
        for path, layer in layers:
            # Not as a child module: the layer is the model's.
            layer.__dict__[_LENDER] = _found(model, path)
        yield
    finally:
        for _, layer in layers:
            layer.__dict__.pop(_LENDER, None)


def _found(model: Any, path: str) -> Module:
    try:
        layer: Module = model.get_submodule(path)
    except AttributeError as error:
        raise UnsupportedControl(f"a model without a layer {path}") from error
    return layer
