"""What classes of the host declare that packs extend most; the rest of them is not known here."""

from __future__ import annotations

import types
from collections.abc import Mapping

from sdk.inspection.values import External, Value

_RETURN_TYPES: Mapping[str, tuple[str, ...]] = types.MappingProxyType(
    {
        **dict.fromkeys(("PreviewImage", "SaveImage", "CheckpointSave", "CLIPSave", "VAESave", "SaveLatent"), ()),
        **dict.fromkeys(
            ("KSampler", "KSamplerAdvanced", "EmptyLatentImage", "VAEEncode", "LatentUpscale"), ("LATENT",)
        ),
        "LoadImage": ("IMAGE", "MASK"),
        "LoadImageMask": ("MASK",),
        **dict.fromkeys(("VAEDecode", "ImageScale", "ImageScaleBy", "ImageBatch", "ImageInvert"), ("IMAGE",)),
        "CheckpointLoaderSimple": ("MODEL", "CLIP", "VAE"),
        "CheckpointLoader": ("MODEL", "CLIP", "VAE"),
        "LoraLoader": ("MODEL", "CLIP"),
        **dict.fromkeys(("LoraLoaderModelOnly", "UNETLoader", "ModelMergeBlocks", "ModelMergeSimple"), ("MODEL",)),
        **dict.fromkeys(("CLIPLoader", "DualCLIPLoader"), ("CLIP",)),
        "VAELoader": ("VAE",),
        **dict.fromkeys(("ControlNetLoader", "DiffControlNetLoader"), ("CONTROL_NET",)),
        "ControlNetApply": ("CONDITIONING",),
        "ControlNetApplyAdvanced": ("CONDITIONING", "CONDITIONING"),
        **dict.fromkeys(("CLIPTextEncode", "ConditioningCombine", "ConditioningConcat"), ("CONDITIONING",)),
        "CLIPVisionLoader": ("CLIP_VISION",),
        "UpscaleModelLoader": ("UPSCALE_MODEL",),
        "ImageUpscaleWithModel": ("IMAGE",),
    }
)
_OUTPUT_NODES = frozenset({"PreviewImage", "SaveImage", "CheckpointSave", "CLIPSave", "VAESave", "SaveLatent"})
_MODULES = ("nodes", "comfy_extras")


def declared(base: External, name: str) -> Value:
    """``RETURN_TYPES`` or ``OUTPUT_NODE`` of a host's class; None for what is not known."""
    parts = base.path.split(".")
    if parts[0] not in _MODULES or parts[-1] not in _RETURN_TYPES:
        return None
    if name == "RETURN_TYPES":
        return _RETURN_TYPES[parts[-1]]
    return parts[-1] in _OUTPUT_NODES if name == "OUTPUT_NODE" else None
