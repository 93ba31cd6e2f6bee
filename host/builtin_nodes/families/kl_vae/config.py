"""Dimensions of an autoencoder, and where its module's weights are, read off a header."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from host.builtin_nodes.families.group_norm import check_widths
from host.builtin_nodes.families.kl_vae.names import DIFFUSERS_MARKER, MARKER, module_names
from host.builtin_nodes.families.refusals import LayoutError
from sdk.models import Header, TensorSource

_ATTENTION = ".mid_block.attentions.0.to_"
_CONV_DIMENSIONS = 4
_OTHER_LATENTS = {
    "bn.running_mean": "its latents are normalised channel by channel, as Flux 2's",
    "quantize.embedding.weight": "its latents are made of the vectors of a codebook",
}


@dataclass(frozen=True, kw_only=True)
class KlVaeConfig:
    """Everything that decides an autoencoder's shape.

    Attributes:
        channels: width at each resolution, from the highest to the lowest.
        layers: residual blocks of the encoder at each resolution; the decoder has one more.
        quantised: there are 1x1 convolutions on both sides of the latent.
    """

    latent_channels: int
    channels: Sequence[int]
    layers: int
    quantised: bool

    @property
    def downscale(self) -> int:
        """Image pixels for one latent cell, along each side."""
        return int(2 ** (len(self.channels) - 1))

    def as_json(self) -> dict[str, Any]:
        """The fields, as ``KlVaeConfig(**fields)`` takes them."""
        return dict(vars(self))


def has_vae(header: Header, prefix: str) -> bool:
    """Whether there is an autoencoder under ``prefix``."""
    return prefix + MARKER in header.tensors or prefix + DIFFUSERS_MARKER in header.tensors


def vae_sources(header: Header, prefix: str) -> dict[str, TensorSource]:
    """Where diffusers' autoencoder finds its weights in a file whose VAE is under ``prefix``.

    Raises:
        LayoutError: a tensor has no place in such an autoencoder, or its latents are none of such a one.
    """
    return {name: _source(name, prefix + key, header) for name, key in _names(header, prefix).items()}


def _names(header: Header, prefix: str) -> dict[str, str]:
    """What follows the prefix in the file's key for each of the module's weights."""
    for key, what in _OTHER_LATENTS.items():
        if prefix + key in header.tensors:
            raise LayoutError(what)
    return module_names([key.removeprefix(prefix) for key in header.tensors if key.startswith(prefix)])


def _source(name: str, key: str, header: Header) -> TensorSource:
    shape = header.tensors[key].shape
    # The original's attention has 1x1 convolutions where the module has linear layers.
    if _ATTENTION in name and name.endswith(".weight") and shape[2:] == (1, 1):
        return TensorSource(key, reshape=shape[:2])
    return TensorSource(key)


def vae_config(header: Header, prefix: str) -> KlVaeConfig:
    """The dimensions of the autoencoder under ``prefix``.

    Raises:
        LayoutError: tensors are missing or have no place in it, or the shapes fit no such autoencoder.
    """
    names = _names(header, prefix)

    def filters(name: str) -> tuple[int, ...]:
        shape = header.shape(prefix + names[name]) if name in names else None
        if not shape or len(shape) != _CONV_DIMENSIONS:
            raise LayoutError(f"its {name} is missing or no two-dimensional convolution")
        return shape

    levels = _count(names, "encoder.down_blocks.{}.resnets.0.conv1.weight")
    layers = _count(names, "encoder.down_blocks.0.resnets.{}.conv1.weight")
    if not levels:
        raise LayoutError("it has no encoder")
    channels = [filters(f"encoder.down_blocks.{level}.resnets.0.conv1.weight")[0] for level in range(levels)]
    check_widths(channels)
    widest, latent_channels, *_ = filters("decoder.conv_in.weight")
    encoded = filters("encoder.conv_out.weight")[0]
    if widest != channels[-1] or encoded != 2 * latent_channels:
        raise LayoutError(
            f"its encoder ends with {channels[-1]} channels and gives {encoded}; its decoder takes {latent_channels} "
            f"and begins with {widest}"
        )
    return KlVaeConfig(
        latent_channels=latent_channels,
        channels=channels,
        layers=layers,
        quantised="quant_conv.weight" in names,
    )


def _count(names: Container[str], name: str) -> int:
    return next(number for number in count() if name.format(number) not in names)
