"""What control networks add inside a denoising network."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from host.builtin_nodes.controlnet.errors import UnsupportedControl

INPUT = "input"
"""Added to the output of a UNet's input blocks, for the skip connections and for what follows."""

SKIP = "skip"
"""Added to a UNet's skip connections alone."""

MIDDLE = "middle"
"""Added to the output of a UNet's middle block."""

DOUBLE, SINGLE = "double", "single"
"""Added to the picture's states after a transformer's blocks of two streams, or of one."""


@dataclass(frozen=True, eq=False)
class ControlResiduals:
    """Tensors by the kind of place they are added to, strengths applied.

    A kind has one for each place, from the input on; None stands for nothing to add.
    """

    groups: Mapping[str, Sequence[Tensor | None]]

    def of(self, kind: str) -> Sequence[Tensor | None]:
        """The tensors for one kind of place; empty where there are none."""
        return self.groups.get(kind, ())

    def scaled(self, strength: float) -> ControlResiduals:
        """All of them times a strength."""
        return ControlResiduals(
            {
                kind: [None if tensor is None else tensor * strength for tensor in tensors]
                for kind, tensors in self.groups.items()
            }
        )

    def __add__(self, other: ControlResiduals) -> ControlResiduals:
        """Both, place by place."""
        kinds = dict.fromkeys((*self.groups, *other.groups))
        return ControlResiduals({kind: _summed(self.of(kind), other.of(kind)) for kind in kinds})

    def require(self, network: str, followed: frozenset[str]) -> None:
        """Refuse residuals for places that a kind of network doesn't have.

        Args:
            network: as the message names it.
            followed: the kinds of places that it has.

        Raises:
            UnsupportedControl: there are others.
        """
        if strangers := {kind for kind, tensors in self.groups.items() if len(tensors)} - followed:
            raise UnsupportedControl(network, strangers)


def _summed(one: Sequence[Tensor | None], other: Sequence[Tensor | None]) -> list[Tensor | None]:
    length = max(len(one), len(other))
    first, second = ([*tensors, *[None] * (length - len(tensors))] for tensors in (one, other))
    return [_sum(a, b) for a, b in zip(first, second, strict=True)]


def _sum(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other
