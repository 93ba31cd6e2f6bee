"""Finds a UNet of latent diffusion in a file, in the original layout or diffusers'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from host.builtin_nodes.families.ldm_unet.config import UnetShape, unet_shape
from host.builtin_nodes.families.ldm_unet.names import TELLING, original_names, without_numbers
from host.builtin_nodes.families.places import DENOISER_PLACES, find_place
from host.builtin_nodes.families.refusals import LayoutError
from sdk.models import Header

LATENT_CHANNELS = 4

INPUT_CHANNELS = {4: "plain", 8: "edit by instruction", 9: "inpainting"}
"""What a UNet is for, by the number of its input channels."""

_ORIGINAL_FIRST, _DIFFUSERS_FIRST = "input_blocks.0.0.weight", "conv_in.weight"
_LAST = ("out.2.weight", "conv_out.weight")
_CONTROL = "control_model."
_VECTOR, _DIFFUSERS_VECTOR = "class_embedding.", "add_embedding."
_OVER_TIME = (".time_stack.", ".motion_modules.")
_CHANNELS_PER_HEAD = 64
_BESIDE_WEIGHTS = (".scale_weight", ".weight_scale", ".scale_input", ".input_scale", "scaled_fp8")
"""How names of factors of weights in eight bits end; whoever reads the weights applies them."""

_IN_ALL_OF_THEM = "scale"


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
    found = header.derived(_found_or_not)
    if isinstance(found, LayoutError):
        raise found
    return found


def _found_or_not(header: Header) -> FoundUnet | LayoutError:
    try:
        return _find_unet(header)
    except LayoutError as error:
        return error


def _find_unet(header: Header) -> FoundUnet:
    tensors = header.tensors
    prefix = find_place(header, DENOISER_PLACES, (_ORIGINAL_FIRST, _DIFFUSERS_FIRST))
    if prefix is None:
        raise LayoutError("there is no UNet of latent diffusion in it")
    if not any(prefix + key in tensors for key in _LAST):
        raise LayoutError("its UNet has no output, as in a control network")
    if header.has_prefix(_CONTROL):
        raise LayoutError("there is a control network beside its UNet, which is what such files are used for")
    diffusers = prefix + _DIFFUSERS_FIRST in tensors
    names = unet_names(header, prefix, diffusers=diffusers, telling=True)
    shape = unet_shape({name: tensors[key].shape for name, key in names.items()})
    if shape.fields["out_channels"] != LATENT_CHANNELS or shape.fields["in_channels"] not in INPUT_CHANNELS:
        raise LayoutError(f"its UNet maps {shape.fields['in_channels']} channels to {shape.fields['out_channels']}")
    return FoundUnet(prefix, diffusers, shape)


def unet_names(header: Header, prefix: str, *, diffusers: bool, telling: bool = False) -> dict[str, str]:
    """The file's key for each weight of the UNet's module, or only for those whose shapes tell its dimensions.

    Raises:
        LayoutError: a tensor has no place in such a UNet.
    """
    keys = [key for key in header.tensors if key.startswith(prefix)]
    if header.mentions(*_OVER_TIME) and any(mark in key for key in keys for mark in _OVER_TIME):
        raise LayoutError("its UNet has layers over time, as video models have")
    if not prefix:
        # Marks beside the UNet's own tensors (``v_pred``, ``ztsnr``, ``edm_mean``) are no weights.
        keys = [key for key in keys if "." in key and not key.startswith("edm_vpred.")]
    if header.mentions(_IN_ALL_OF_THEM):
        keys = [key for key in keys if not key.endswith(_BESIDE_WEIGHTS)]
    names = [key.removeprefix(prefix) for key in keys]
    if diffusers:
        names = [name.replace(_DIFFUSERS_VECTOR, _VECTOR, 1) for name in names]
    plain_names = without_numbers(names)
    if diffusers:
        return dict(zip(names, keys, strict=True))
    wanted = [name for name, plain in zip(names, plain_names, strict=True) if plain in TELLING] if telling else names
    return {name: prefix + original for name, original in original_names(wanted).items()}


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
