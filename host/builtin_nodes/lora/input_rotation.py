"""OFT and BOFT as PEFT stores them: weights whose inputs are turned (Qiu et al. 2023; Liu et al. 2024; Qiu et al. 2025,
"Orthogonal Finetuning Made Scalable").

``W' = s * (W M^T)`` for W [out, in], of convolutions [out, in * height * width]. M turns blocks of neighbouring inputs
by ``(I - Q) (I + Q)^-1`` with skew-symmetric Q (Cayley 1846), or, in OFT since PEFT 0.16 unless its configuration says
``use_cayley_neumann: false``, by the first terms of the series ``I + 2 Q + 2 Q^2 + ...`` of ``(I + Q) (I - Q)^-1``.
BOFT does so several times, each with halves of blocks brought together that are twice as far apart.

Stored are the upper triangles of Q, row by row (``oft_R``); or B with ``Q = (B - B^T) / 2`` (``boft_R``, and ``oft_r``
until PEFT 0.15), with s as ``boft_s`` and ``oft_s``. Files of PEFT up to 0.13 have no ``oft_s`` and turn outputs. One
block may stand for all. BOFT for convolutions by PEFT up to 0.13 took the inputs in another order, which no file tells.
"""

# ruff: noqa: TID253 - imported when a file is read, never on the start-up path
from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from host.builtin_nodes.lora.change import widened
from host.builtin_nodes.lora.errors import DeltaMisfit, MalformedLayer
from host.builtin_nodes.lora.layers import Found, Layer, Names, Suffixes, adapter_config, config_number, read_layers
from sdk.models import Delta

SPELLINGS: tuple[Suffixes, ...] = (
    {"triangles": ".oft_R.weight"},
    {"triangles": ".oft_R.default.weight"},
    {"blocks": ".oft_r", "scale": ".oft_s"},
    {"blocks": ".oft_r.default", "scale": ".oft_s.default"},
    {"stages": ".boft_R", "scale": ".boft_s"},
    {"stages": ".boft_R.default", "scale": ".boft_s.default"},
)

_TERMS, _EPS = 5, 6e-5
_LAST_TERM_HALVED = (0, 18)


@dataclass(frozen=True, eq=False)
class InputRotation:
    """Turns a weight's inputs, and scales its outputs.

    Attributes:
        skew: Q by [stage, block, size, size].
        series: factors of Q's powers, from the zeroth on; None for the exact rotation.
        scale: a factor for each output, or None.
    """

    skew: Tensor
    series: tuple[float, ...] | None = None
    scale: Tensor | None = None

    def rows(self, start: int, length: int) -> InputRotation:
        """The change of these outputs alone."""
        return self if self.scale is None else replace(self, scale=self.scale.flatten()[start : start + length])

    def apply(self, weight: Tensor, original: Tensor, strength: float) -> Tensor:
        """See ``sdk.models.Delta``; raises DeltaMisfit where the blocks don't make up the weight's inputs."""
        turned = self.turned(original.flatten(1).mT, strength).mT
        if self.scale is not None:
            if self.scale.numel() != original.shape[0]:
                raise DeltaMisfit(self.scale.shape, original.shape)
            turned = turned * (1 + strength * (widened(self.scale, weight).reshape(-1, 1) - 1))
        return weight + (turned.reshape(original.shape) - original)

    def turned(self, rows: Tensor, strength: float) -> Tensor:
        """M times a matrix [length, any]."""
        stages, count, size, _ = self.skew.shape
        shared = stages == count == 1 and len(rows) % size == 0
        if count * size != len(rows) and not shared:
            raise DeltaMisfit(self.skew.shape, rows.shape)
        for stage, skew in enumerate(widened(self.skew, rows)):
            rotation = strength * self._rotation(skew) + (1 - strength) * torch.eye(size, device=rows.device)
            rows = _turned(rows, rotation.expand(len(rows) // size, -1, -1), stage)
        return rows

    def _rotation(self, skew: Tensor) -> Tensor:
        identity = torch.eye(skew.shape[-1], device=skew.device)
        if self.series is None:
            exact: Tensor = torch.linalg.solve(identity + skew, identity - skew, left=False)
            return exact
        result, power = torch.zeros_like(skew), identity.expand_as(skew)
        for factor in self.series:
            result, power = result + factor * power, power @ skew
        return result


@dataclass(frozen=True, eq=False)
class OutputRotation:
    """Turns a weight's outputs, ``W' = M W``, as PEFT did at first; its M is the one above for ``-Q``."""

    inputs: InputRotation

    @property
    def rows_together(self) -> int:
        """How many neighbouring outputs are mixed."""
        return int(self.inputs.skew.shape[-1])

    def apply(self, weight: Tensor, original: Tensor, strength: float) -> Tensor:
        """See ``sdk.models.Delta``; raises DeltaMisfit where the blocks don't make up the weight's outputs."""
        turned = self.inputs.turned(original.flatten(1), strength)
        return weight + (turned.reshape(original.shape) - original)


def read_input_rotations(tensors: Mapping[str, Tensor], names: Names) -> Found:
    """The OFT and BOFT layers of a file that PEFT wrote."""
    deltas: dict[str, Delta] = {}
    used: frozenset[str] = frozenset()
    for suffixes in SPELLINGS:
        found, keys = read_layers(tensors, names, suffixes, partial(_layer_delta, tensors))
        deltas |= found
        used |= keys
    return deltas, used


def _layer_delta(tensors: Mapping[str, Tensor], layer: Layer) -> Delta | None:
    if layer.has("triangles"):
        config = adapter_config(tensors, "OFT")
        skew = _skew(layer.factor("triangles"), layer.stem)
        skew = _within(skew, config_number(config, "eps", _EPS)) if config.get("coft") else skew
        return InputRotation(skew[None], _series(config))
    role = "stages" if layer.has("stages") else "blocks"
    if not layer.has(role):
        return None
    blocks = _squares(layer.factor(role), 4 if role == "stages" else 3, layer.stem)
    if role == "stages":
        return InputRotation((blocks - blocks.mT) / 2, scale=layer.get("scale"))
    if layer.has("scale"):
        return InputRotation((blocks - blocks.mT)[None] / 2, scale=layer.get("scale"))
    return OutputRotation(InputRotation((blocks.mT - blocks)[None] / 2))


def _turned(rows: Tensor, rotation: Tensor, stage: int) -> Tensor:
    """``rotation`` [block, size, size] times rows [length, any]: of neighbours, or of halves of blocks far apart."""
    count, size, _ = rotation.shape
    if not stage:
        return torch.bmm(rotation, rows.reshape(count, size, -1)).reshape(rows.shape)
    half, apart = size // 2, 2**stage
    together = rows.reshape(-1, 2, apart, half, rows.shape[1]).transpose(1, 2).reshape(count, size, -1)
    done = torch.bmm(rotation, together).reshape(-1, apart, 2, half, rows.shape[1])
    return done.transpose(1, 2).reshape(rows.shape)


def _skew(triangles: Tensor, stem: str) -> Tensor:
    """Q [block, size, size] of its upper triangles [block, size * (size - 1) / 2]."""
    size = (1 + math.isqrt(1 + 8 * triangles.shape[-1])) // 2
    if triangles.ndim != 2 or size * (size - 1) // 2 != triangles.shape[-1]:
        raise MalformedLayer(stem, f"its oft_R has shape {list(triangles.shape)}, which holds no triangles")
    upper = torch.zeros(len(triangles), size, size)
    upper[:, *torch.triu_indices(size, size, 1)] = triangles.float()
    return upper - upper.mT


def _squares(blocks: Tensor, dimensions: int, stem: str) -> Tensor:
    if blocks.ndim != dimensions or blocks.shape[-1] != blocks.shape[-2]:
        raise MalformedLayer(stem, f"its blocks have shape {list(blocks.shape)}")
    return blocks.float()


def _within(blocks: Tensor, limit: float) -> Tensor:
    """Blocks [block, size, size] shortened to the norm that constrained OFT allows each of them."""
    allowed = limit / math.sqrt(len(blocks))
    norm = torch.linalg.vector_norm(blocks, dim=(1, 2), keepdim=True)
    return torch.where(norm <= allowed, blocks, blocks * (allowed / norm))


def _series(config: Mapping[str, Any]) -> tuple[float, ...] | None:
    """Factors of the powers of Q; None where the exact rotation is meant."""
    if not config.get("use_cayley_neumann", True):
        return None
    terms = int(config_number(config, "num_cayley_neumann_terms", _TERMS))
    if terms < 3:
        return (1.0, 2.0)[:terms]
    version = re.match(r"(\d+)\.(\d+)", str(config.get("peft_version", "0.0" if config else "0.18")))
    if version is None or (int(version[1]), int(version[2])) < _LAST_TERM_HALVED:
        return (1.0, *[2.0] * (terms - 1))
    return (1.0, *[2.0] * (max(terms, 4) - 2), 1.0)
