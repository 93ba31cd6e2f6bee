"""A latent format whose channels have scales of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from host.builtin_nodes.families import rgb_factors
from host.builtin_nodes.families.interface import LatentFormat

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class ChannelLatentFormat(LatentFormat):
    """``model = (vae - mean) * scale / deviation``, channel by channel."""

    means: tuple[float, ...]
    deviations: tuple[float, ...]

    def to_model(self, latent: Tensor) -> Tensor:
        return (latent - _along(self.means, latent)) * self.scale / _along(self.deviations, latent)

    def from_model(self, latent: Tensor) -> Tensor:
        return latent * _along(self.deviations, latent) / self.scale + _along(self.means, latent)


PLAYGROUND_25 = ChannelLatentFormat(
    channels=4,
    scale=0.5,
    means=(-1.6574, 1.886, -1.383, 2.5155),
    deviations=(8.4927, 5.9022, 6.5498, 5.2299),
    rgb=rgb_factors.PLAYGROUND_25,
)
"""Of Playground v2.5, as its autoencoder's configuration has it."""


def _along(values: tuple[float, ...], latent: Tensor) -> Tensor:
    return latent.new_tensor(values).reshape(1, -1, *[1] * (latent.ndim - 2))
