"""The names by which LoRA files and the like call a UNet's layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sdk.models import TensorSource

_WEIGHT = ".weight"
_ATTENTIONS = (".attn1.", ".attn2.")


def unet_patch_names(weights: Mapping[str, TensorSource], prefix: str) -> dict[str, str]:
    """The module's weight for each further name of a layer, without ``.weight``.

    Known are kohya's names with diffusers' and with original block numbers (``lora_unet_…``), original names after
    ``diffusion_model.``, diffusers' names with and without ``unet.``, and those of its old attention processors.

    Args:
        weights: the part's weights, by the names of diffusers' module.
        prefix: what precedes the original names in the file.
    """
    names: dict[str, str] = {}
    for name, source in weights.items():
        if name.endswith(_WEIGHT):
            original = source.key.removeprefix(prefix).removesuffix(_WEIGHT)
            for alias in _aliases(name.removesuffix(_WEIGHT), original):
                names.setdefault(alias, name)
    return names


def _aliases(layer: str, original: str) -> Iterator[str]:
    yield f"lora_unet_{layer.replace('.', '_')}"
    yield f"lora_unet_{original.replace('.', '_')}"
    yield f"diffusion_model.{original}"
    for dotted in (layer, _processor(layer)):
        if dotted:
            yield f"unet.{dotted}"
            yield dotted


def _processor(layer: str) -> str | None:
    """``….attn1.to_out.0`` as ``….attn1.processor.to_out``."""
    for attention in _ATTENTIONS:
        block, found, projection = layer.rpartition(attention)
        if found:
            return f"{block}{attention}processor.{projection.removesuffix('.0')}"
    return None
