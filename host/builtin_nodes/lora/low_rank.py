"""LoRA: a change of low rank (Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models").

``difference = alpha / r * up @ down`` with ``up`` [out, r] and ``down`` [r, in]; without alpha the factor is 1.
For convolutions (LoCon, Yeh et al. 2023) ``down`` is a convolution [r, in, height, width] and ``up`` one of 1 x 1; or
both are 1 x 1 with a core ``mid`` [r, r, height, width] between them, a Tucker decomposition.
"""

# ruff: noqa: TID253 - imported when a file is read, never on the start-up path
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from host.builtin_nodes.lora.change import Change, fitted, widened
from host.builtin_nodes.lora.errors import DeltaMisfit
from host.builtin_nodes.lora.full_difference import FullDifference
from host.builtin_nodes.lora.layers import Found, Layer, Names, Suffixes, bias_name, read_layers
from host.builtin_nodes.lora.magnitude import with_magnitude
from sdk.models import Delta

SPELLINGS: tuple[Suffixes, ...] = (
    {"up": ".lora_up.weight", "down": ".lora_down.weight", "mid": ".lora_mid.weight"},
    {"up": ".lora_B.weight", "down": ".lora_A.weight"},
    {"up": ".lora_B", "down": ".lora_A", "values": ".lora_E"},
    {"up": "_lora.up.weight", "down": "_lora.down.weight"},
    {"up": ".lora.up.weight", "down": ".lora.down.weight"},
    {"up": ".lora_linear_layer.up.weight", "down": ".lora_linear_layer.down.weight"},
    {"up": ".up.weight", "down": ".down.weight"},
)
"""How keys end: kohya's, PEFT's (twice), diffusers' over the years, and those after an attention processor's."""

_NAMED = re.compile(r"\.lora_A\.([^.]+)\.weight$")

BIASES = {".lora_up.bias": ".lora_down.weight", ".lora_B.bias": ".lora_A.weight"}
"""How keys of biases of ``up`` end, and those of the ``down`` beside them."""


@dataclass(frozen=True, eq=False)
class LowRank(Change):
    """``scale * up @ down``, with ``mid`` between them where there is one."""

    up: Tensor
    down: Tensor
    mid: Tensor | None = None
    scale: float = 1.0

    def rows(self, start: int, length: int) -> LowRank:
        """The change of these rows alone."""
        return replace(self, up=self.up[start : start + length])

    def difference(self, weight: Tensor) -> Tensor:
        up, down = self._matrices(weight)
        return fitted((up * self.scale) @ down, weight)

    def factors(self, weight: Tensor) -> tuple[Tensor, Tensor, float]:
        """See ``sdk.models.Delta``."""
        up, down = self._matrices(weight)
        if (up.shape[0], down.shape[1]) != weight.flatten(1).shape:
            raise DeltaMisfit(torch.Size((up.shape[0], down.shape[1])), weight.shape)
        return up, down, self.scale

    def _matrices(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Two matrices, float32, whose product is the difference but for the scale."""
        up, down = widened(self.up, weight).flatten(1), widened(self.down, weight)
        if self.mid is not None:
            down = torch.einsum("ab...,bi->ai...", widened(self.mid, weight), down.flatten(1))
        return up, down.flatten(1)


def read_low_rank(tensors: Mapping[str, Tensor], names: Names) -> Found:
    """The LoRA layers of a file. A layer that is spelled in two ways is read once; the other's keys stay unread."""
    deltas: dict[str, Delta] = {}
    used: frozenset[str] = frozenset()
    for suffixes in (*SPELLINGS, *_with_adapter_names(tensors)):
        remaining = {name: target for name, target in names.items() if name not in deltas} if deltas else names
        found, keys = read_layers(tensors, remaining, suffixes, _layer_delta)
        deltas |= found
        used |= keys
    biases, keys = _read_biases(tensors, names)
    return {**biases, **deltas}, used | keys


def _with_adapter_names(tensors: Mapping[str, Tensor]) -> list[Suffixes]:
    """PEFT's endings with the names under which a model in memory has its adapters, as far as they occur."""
    found = dict.fromkeys(match[1] for key in tensors if (match := _NAMED.search(key)))
    return [
        {
            "up": f".lora_B.{name}.weight",
            "down": f".lora_A.{name}.weight",
            "named_magnitude": f".lora_magnitude_vector.{name}",
            "named_magnitude_weight": f".lora_magnitude_vector.{name}.weight",
        }
        for name in found
    ]


def _layer_delta(layer: Layer) -> Delta | None:
    if not layer.has("up", "down") or layer.has("values"):
        return None
    down = layer.factor("down")
    change = LowRank(layer.factor("up"), down, layer.get("mid"), layer.scale(down.shape[0]))
    return with_magnitude(change, layer)


def _read_biases(tensors: Mapping[str, Tensor], names: Names) -> Found:
    """The biases that some trainers give ``up``; they add to the layer's own, with the same factor."""
    deltas: dict[str, Delta] = {}
    used: set[str] = set()
    for ending, down in BIASES.items():
        for key in (key for key in tensors if key.endswith(ending)):
            stem = key.removesuffix(ending)
            name = bias_name(names, stem)
            if name is None or stem + down not in tensors:
                continue
            alpha = {"alpha": tensors[f"{stem}.alpha"]} if f"{stem}.alpha" in tensors else {}
            layer = Layer(stem, {"down": tensors[stem + down], **alpha})
            scale = layer.scale(layer.factor("down").shape[0])
            deltas[name] = FullDifference(tensors[key].float() * scale)
            used.add(key)
    return deltas, frozenset(used)
