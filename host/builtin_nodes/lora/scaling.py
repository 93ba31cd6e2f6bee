"""IA3: each input or each output of a layer times a number (Liu et al. 2022, "Few-Shot Parameter-Efficient Fine-Tuning
is Better and Cheaper than In-Context Learning", section 3.3).

PEFT stores the numbers as ``ia3_l``: [1, in] for inputs, [out, 1] for outputs, with which it scales the bias, too; for
convolutions [1, channels, 1, 1], and which channels are meant its configuration says. LyCORIS stores what is added to 1
(``weight``), and 1 or 0 as ``on_input``; it leaves biases alone. Strength s takes ``1 + s (l - 1)`` for l.
"""

# ruff: noqa: TID253 - imported when a file is read, never on the start-up path
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from host.builtin_nodes.lora.change import widened
from host.builtin_nodes.lora.errors import DeltaMisfit, MalformedLayer
from host.builtin_nodes.lora.layers import Found, Layer, Names, Suffixes, adapter_config, bias_name, read_layers
from sdk.models import Delta

PEFT: tuple[Suffixes, ...] = ({"factors": ".ia3_l"}, {"factors": ".ia3_l.default"})
LYCORIS: Suffixes = {"on_input": ".on_input", "excess": ".weight"}

_OUTPUTS, _INPUTS = 0, 1
_MATRIX = 2


@dataclass(frozen=True, eq=False)
class Scaling:
    """Multiplies a weight's inputs or outputs, or a bias.

    Attributes:
        excess: by how much each factor is beyond 1.
        dimension: of the weight, along which they run: 0 outputs, 1 inputs.
    """

    excess: Tensor
    dimension: int

    def rows(self, start: int, length: int) -> Scaling:
        """The change of these outputs alone."""
        return self if self.dimension else replace(self, excess=self.excess[start : start + length])

    def apply(self, weight: Tensor, original: Tensor, strength: float) -> Tensor:
        """See ``sdk.models.Delta``; raises DeltaMisfit for another number of factors than the weight has rows."""
        if original.shape[self.dimension : self.dimension + 1] != self.excess.shape:
            raise DeltaMisfit(self.excess.shape, original.shape)
        excess = widened(self.excess, weight).reshape(-1, *[1] * (original.ndim - self.dimension - 1))
        return torch.addcmul(weight, original, excess, value=strength)


def read_scalings(tensors: Mapping[str, Tensor], names: Names) -> Found:
    """The IA3 layers of a file."""
    biases: dict[str, Delta] = {}

    def peft_delta(layer: Layer) -> Delta:
        scaling = _peft_scaling(layer, tensors)
        bias = bias_name(names, layer.stem)
        if bias is not None and scaling.dimension == _OUTPUTS:
            biases[bias] = scaling
        return scaling

    deltas, used = read_layers(tensors, names, LYCORIS, _lycoris_delta)
    for suffixes in PEFT:
        found, keys = read_layers(tensors, names, suffixes, peft_delta)
        deltas |= found
        used |= keys
    return {**biases, **deltas}, used


def _lycoris_delta(layer: Layer) -> Delta | None:
    side, excess = layer.get("on_input"), layer.get("excess")
    if side is None or excess is None or side.numel() != 1:
        return None
    return Scaling(excess.flatten(), _INPUTS if side.item() else _OUTPUTS)


def _peft_scaling(layer: Layer, tensors: Mapping[str, Tensor]) -> Scaling:
    factors = layer.factor("factors")
    excess = factors.float().flatten() - 1
    if factors.ndim == _MATRIX:
        return Scaling(excess, _INPUTS if len(factors) == 1 else _OUTPUTS)
    config = adapter_config(tensors, "IA3")
    if "feedforward_modules" not in config:
        problem = "it is IA3 for a convolution, and no adapter_config.json of PEFT beside the file says of which side"
        raise MalformedLayer(layer.stem, problem)
    return Scaling(excess, _INPUTS if _is_named(layer.stem, config["feedforward_modules"] or ()) else _OUTPUTS)


def _is_named(stem: str, modules: Any) -> bool:
    """Whether a layer is among modules as PEFT's configurations name them: a pattern, or ends of paths."""
    path = stem.removeprefix("base_model.model.")
    try:
        return bool(re.fullmatch(modules, path)) if isinstance(modules, str) else path.endswith(tuple(modules))
    except (TypeError, re.error) as error:
        raise MalformedLayer("adapter_config.json", f"its feedforward_modules is {modules!r}") from error
