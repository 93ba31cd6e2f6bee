"""Goes from images to latents and back with a tiny autoencoder."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from host.builtin_nodes.families.kl_vae.adapter import KlVaeAdapter
from host.builtin_nodes.families.taesd.layout import DECODER, ENCODER
from sdk import NodeError


@dataclass(frozen=True)
class TinyVaeAdapter(KlVaeAdapter):
    """See ``interface.VaeAdapter``. The module's latents are the network's: ``(vae - shift) * scale``."""

    scale: float
    shift: float

    def _encoder(self, module: Any) -> Callable[[Tensor], Tensor]:
        encoder = _half(module, ENCODER)
        weight = next(encoder.parameters())
        return lambda images: encoder(images.to(weight)) / self.scale + self.shift

    def _decoder(self, module: Any) -> Callable[[Tensor], Tensor]:
        decoder = _half(module, DECODER)
        weight = next(decoder.parameters())
        return lambda latents: decoder((latents.to(weight) - self.shift) * self.scale)


def _half(module: Any, name: str) -> Any:
    if name not in module:
        raise NodeError(f"This tiny autoencoder has no {name}. Put the file of its {name} beside it and load both.")
    return module[name]
