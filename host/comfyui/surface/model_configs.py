"""``comfy.supported_models``: kinds of models, and the dimensions of their networks as packs read them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from sdk.models import ModelHandle

__all__ = ["SD3", "SD15", "SD20", "SDXL", "Flux", "ModelConfig", "SDXLRefiner"]


class ModelConfig:
    """A kind of model, with the dimensions of one.

    Attributes:
        unet_config: by the names in the original code; for transformers ``image_model`` alone.
    """

    def __init__(self, unet_config: Mapping[str, Any]) -> None:
        self.unet_config = dict(unet_config)


class SD15(ModelConfig):
    """Stable Diffusion 1."""


class SD20(ModelConfig):
    """Stable Diffusion 2."""


class SDXL(ModelConfig):
    """Stable Diffusion XL."""


class SDXLRefiner(ModelConfig):
    """The refiner of Stable Diffusion XL."""


class SD3(ModelConfig):
    """Stable Diffusion 3 and 3.5."""


class Flux(ModelConfig):
    """Flux."""


_BY_FAMILY: Mapping[str, type[ModelConfig]] = {
    "sd1": SD15, "sd2": SD20, "sdxl": SDXL, "sdxl_refiner": SDXLRefiner, "sd3": SD3, "flux": Flux,
}  # fmt: skip


def config_of(handle: ModelHandle) -> ModelConfig:
    """The kind of a model and its dimensions."""
    facts = handle.identity.config.get("unet")
    family = handle.identity.family
    kind = _BY_FAMILY.get(family, ModelConfig)
    return kind({"image_model": family} if facts is None else _unet_config(facts))


def _unet_config(facts: Mapping[str, Any]) -> dict[str, Any]:
    widths, down, vector = facts["channels"], facts["down_depths"], facts["vector_channels"]
    return {
        "in_channels": facts["in_channels"],
        "out_channels": facts["out_channels"],
        "model_channels": widths[0],
        "channel_mult": [width // widths[0] for width in widths],
        "num_res_blocks": list(map(len, down)),
        "transformer_depth": list(chain.from_iterable(down)),
        "transformer_depth_middle": facts["middle_depth"],
        "transformer_depth_output": list(chain.from_iterable(facts["up_depths"])),
        "context_dim": facts["context_channels"],
        "adm_in_channels": vector,
        "num_classes": "sequential" if vector else None,
        "use_linear_in_transformer": facts["linear_projections"],
        "use_spatial_transformer": True,
        "use_temporal_attention": False,
    }
