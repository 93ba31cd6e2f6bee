"""Finds a file's tensors that together change one layer. Knows keys, not what the tensors mean."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from host.builtin_nodes.lora.errors import MalformedLayer

if TYPE_CHECKING:
    from torch import Tensor

    from sdk.models import Delta, PatchTarget

Names = Mapping[str, "PatchTarget"]
Suffixes = Mapping[str, str]
Found = tuple[dict[str, "Delta"], frozenset[str]]

_MOST = 1000
_SHARED = {
    "alpha": ".alpha",
    "shape": ".reshape_weight",
    "magnitude": ".dora_scale",
    "peft_magnitude": ".lora_magnitude_vector",
    "peft_magnitude_weight": ".lora_magnitude_vector.weight",
    "peft_magnitude_default": ".lora_magnitude_vector.default.weight",
}


@dataclass(frozen=True)
class Layer:
    """One layer's tensors in a file, by the part they play.

    Attributes:
        stem: what their keys begin with.
    """

    stem: str
    tensors: Mapping[str, Tensor]

    def has(self, *roles: str) -> bool:
        """Whether all of these are there."""
        return all(role in self.tensors for role in roles)

    def get(self, role: str) -> Tensor | None:
        """The tensor of that role, or None."""
        return self.tensors.get(role)

    def factor(self, role: str) -> Tensor:
        """The tensor of that role, of two or more dimensions.

        Raises:
            MalformedLayer: it has fewer, or holds nothing.
        """
        tensor = self.tensors[role]
        if tensor.ndim < 2 or tensor.numel() == 0:
            raise MalformedLayer(self.stem, f"its {role} has shape {list(tensor.shape)}, which is no matrix")
        return tensor

    def scale(self, rank: int) -> float:
        """``alpha / rank``; 1 without alpha.

        Raises:
            MalformedLayer: alpha is more than one number, or none that can be counted with.
        """
        alpha = self.tensors.get("alpha")
        if alpha is None:
            return 1.0
        if alpha.numel() != 1:
            raise MalformedLayer(self.stem, f"its alpha has shape {list(alpha.shape)} instead of one number")
        if not math.isfinite(value := float(alpha)):
            raise MalformedLayer(self.stem, f"its alpha is {value}")
        return value / rank


def read_layers(
    tensors: Mapping[str, Tensor], names: Names, suffixes: Suffixes, make: Callable[[Layer], Delta | None]
) -> Found:
    """The deltas of all layers stored under these suffixes, by the name of their weight, and the keys they use.

    Layers that ``names`` doesn't know, and those of which ``make`` says None because something is missing, stay
    unread; their keys are none of those given back.

    Args:
        names: names for weights, as the files' stems or with ``.weight`` after them.
        suffixes: what follows the stem in a key, by role.
    """
    deltas: dict[str, Delta] = {}
    used: set[str] = set()
    everything = {**suffixes, **_SHARED}
    for stem in dict.fromkeys(_stems(tensors, suffixes)):
        name = weight_name(names, stem)
        if name is None:
            continue
        keys = {role: stem + suffix for role, suffix in everything.items() if stem + suffix in tensors}
        delta = make(Layer(stem, {role: tensors[key] for role, key in keys.items()}))
        if delta is not None:
            deltas[name] = delta
            used.update(keys.values())
    return deltas, frozenset(used)


def weight_name(names: Names, stem: str) -> str | None:
    """The name under which a layer's weight is known, or None."""
    return next((name for name in (stem, f"{stem}.weight") if name in names), None)


def bias_name(names: Names, stem: str) -> str | None:
    """The name under which a layer's bias is known, or None."""
    name = f"{stem}.bias"
    return name if name in names else None


def adapter_config(tensors: Mapping[str, Tensor], kind: str) -> Mapping[str, Any]:
    """PEFT's configuration beside a file of that kind (``peft_type``); empty where there is none, or another's."""
    config: Mapping[str, Any] = getattr(tensors, "adapter_config", {})
    return config if config.get("peft_type") == kind else {}


def config_number(config: Mapping[str, Any], name: str, default: float) -> float:
    """A number of 1000 or less from PEFT's configuration.

    Raises:
        MalformedLayer: something else stands there.
    """
    value = config.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _MOST:
        raise MalformedLayer("adapter_config.json", f"its {name} is {value!r}")
    return value


def _stems(tensors: Mapping[str, Tensor], suffixes: Suffixes) -> Iterator[str]:
    ends = tuple(suffixes.values())
    for key in tensors:
        if key.endswith(ends):
            yield key.removesuffix(next(end for end in ends if key.endswith(end)))
