"""Finds a UNet of latent diffusion in a file, in the original layout or diffusers'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from host.builtin_nodes.families.ldm_unet.config import UnetShape, unet_shape
from host.builtin_nodes.families.ldm_unet.names import original_names
from host.builtin_nodes.families.refusals import LayoutError
from sdk.models import Header

CHECKPOINT_PREFIX = "model.diffusion_model."
"""What precedes the UNet's names in whole checkpoints."""

LATENT_CHANNELS = 4

INPUT_CHANNELS = {4: "plain", 8: "edit by instruction", 9: "inpainting"}
"""What a UNet is for, by the number of its input channels."""

_FIRST, _LAST = ("input_blocks.0.0.weight", "conv_in.weight"), ("out.2.weight", "conv_out.weight")
_VECTOR, _DIFFUSERS_VECTOR = "class_embedding.", "add_embedding."
_OVER_TIME = (".time_stack.", ".motion_modules.")
_CHANNELS_PER_HEAD = 64


@dataclass(frozen=True)
class FoundUnet:
    """Where a file's UNet is, and what its shapes tell.

    Attributes:
        prefix: what precedes its names; "" in files of a UNet alone.
        diffusers: it has diffusers' names.
    """

    prefix: str
    diffusers: bool
    shape: UnetShape

    @property
    def input_channels(self) -> int:
        return int(self.shape.fields["in_channels"])

    @property
    def context_channels(self) -> int:
        return int(self.shape.fields["context_channels"])

    @property
    def vector_channels(self) -> int | None:
        """Width of the vector conditioning, where there is one."""
        found: int | None = self.shape.fields["vector_channels"]
        return found

    @property
    def linear_projections(self) -> bool:
        return bool(self.shape.fields["linear_projections"])


def find_unet(header: Header) -> FoundUnet:
    """The file's UNet, whatever family it may be of; looked for once, though several families ask.

    Raises:
        LayoutError: there is none, or it is none for images in a latent of four channels.
    """
    return header.derived(_find_unet)


def _find_unet(header: Header) -> FoundUnet:
    tensors = header.tensors
    if not any(key in tensors for key in (*_FIRST, CHECKPOINT_PREFIX + _FIRST[0])):
        raise LayoutError("there is no UNet of latent diffusion in it")
    if not any(key in tensors for key in (*_LAST, CHECKPOINT_PREFIX + _LAST[0])):
        raise LayoutError("its UNet has no output, as in a control network")
    prefix = CHECKPOINT_PREFIX if CHECKPOINT_PREFIX + _FIRST[0] in tensors else ""
    diffusers = not prefix and "conv_in.weight" in tensors
    names = unet_names(header, prefix, diffusers=diffusers)
    shape = unet_shape({name: tensors[key].shape for name, key in names.items()})
    if shape.fields["out_channels"] != LATENT_CHANNELS or shape.fields["in_channels"] not in INPUT_CHANNELS:
        raise LayoutError(f"its UNet maps {shape.fields['in_channels']} channels to {shape.fields['out_channels']}")
    return FoundUnet(prefix, diffusers, shape)


def unet_names(header: Header, prefix: str, *, diffusers: bool) -> dict[str, str]:
    """The file's key for each weight of the UNet's module.

    Raises:
        LayoutError: a tensor has no place in such a UNet.
    """
    keys = [key for key in header.tensors if key.startswith(prefix)]
    if header.mentions(*_OVER_TIME) and any(mark in key for key in keys for mark in _OVER_TIME):
        raise LayoutError("its UNet has layers over time, as video models have")
    if not prefix:
        # Marks beside the UNet's own tensors (``v_pred``, ``ztsnr``, ``edm_mean``) are no weights.
        keys = [key for key in keys if "." in key and not key.startswith("edm_vpred.")]
    if diffusers:
        return {key.replace(_DIFFUSERS_VECTOR, _VECTOR, 1): key for key in keys}
    return {name: prefix + key for name, key in original_names(key.removeprefix(prefix) for key in keys).items()}


def heads_of_64(widths: Sequence[int]) -> list[int]:
    """One attention head for 64 channels, as in all UNets since Stable Diffusion 2."""
    return [max(1, width // _CHANNELS_PER_HEAD) for width in widths]


def heads_for(shape: UnetShape, stated: int | None) -> list[int]:
    """Heads at each resolution: the stated number everywhere, or one for 64 channels."""
    return heads_of_64(shape.channels) if stated is None else [stated] * len(shape.channels)


def refuse_encoders(header: Header, signs: Mapping[str, str]) -> None:
    """Refuse a file with a tensor under one of these prefixes, for the reason given there.

    Raises:
        LayoutError: there is such a tensor.
    """
    for prefix, sign in signs.items():
        if header.has_prefix(prefix):
            raise LayoutError(sign)
