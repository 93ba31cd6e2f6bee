"""Whole differences: every number of the change is stored, as extracting or full fine-tuning tools write it.

``difference = diff`` for the weight (``.diff``) and for the bias (``.diff_b``); trainers of norms call both
``.w_norm`` and ``.b_norm``. ``.set_weight``, and a norm's
``.scale``, is a whole weight, which takes the place of the model's at any strength.
"""

# ruff: noqa: TID253 - imported when a file is read, never on the start-up path
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from host.builtin_nodes.lora.change import Change, fitted, widened
from host.builtin_nodes.lora.layers import Found, Names, bias_name, weight_name
from sdk.models import Delta


def norm_name(names: Names, stem: str) -> str | None:
    """The name of the weight of a norm that a file has as the original code calls it, ``…_norm.scale``."""
    return weight_name(names, f"{stem}_norm")


TARGETS: Mapping[str, Callable[[Names, str], str | None]] = {
    ".diff": weight_name,
    ".diff_b": bias_name,
    ".w_norm": weight_name,
    ".b_norm": bias_name,
    ".set_weight": weight_name,
    "_norm.scale": norm_name,
}
"""How keys end, and how the tensor they change is found."""

_REPLACED = (".set_weight", "_norm.scale")


@dataclass(frozen=True, eq=False)
class FullDifference(Change):
    """The difference itself, as the file stores it."""

    values: Tensor

    def difference(self, weight: Tensor) -> Tensor:
        return fitted(widened(self.values, weight), weight)


@dataclass(frozen=True, eq=False)
class Replacement:
    """A weight in the place of the model's."""

    values: Tensor

    def apply(self, weight: Tensor, original: Tensor, strength: float) -> Tensor:
        """See ``sdk.models.Delta``; raises DeltaMisfit for another shape. Changes that come before have no effect."""
        return fitted(widened(self.values, weight), weight).clone()


def read_full_differences(tensors: Mapping[str, Tensor], names: Names) -> Found:
    """The whole differences of a file."""
    deltas: dict[str, Delta] = {}
    used: set[str] = set()
    for key in tensors:
        ending = next((ending for ending in TARGETS if key.endswith(ending)), None)
        if ending is None:
            continue
        stem = key.removesuffix(ending)
        name = TARGETS[ending](names, stem)
        if name is not None and name not in deltas:
            deltas[name] = (Replacement if ending in _REPLACED else FullDifference)(tensors[key])
            used.add(key)
            # Some tools write an alpha beside it, which has no rank to be divided by.
            used.update({f"{stem}.alpha"} & tensors.keys())
    return deltas, frozenset(used)
