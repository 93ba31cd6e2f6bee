"""How packs call the classes of built-in nodes as plain Python: which method, and in which order its arguments come.

Nodes that are not listed here are called by ``execute``, with their inputs in the order in which they are declared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sdk.nodes import NodeType


class CallForm(NamedTuple):
    """A node class's method, the names of its arguments in order, and another name of that method, if it has one."""

    method: str
    arguments: tuple[str, ...]
    earlier: str | None = None


_METHODS: Mapping[str, str] = {
    "CLIPLoader": "load_clip",
    "CLIPSetLastLayer": "set_last_layer",
    "CLIPTextEncode": "encode",
    "CLIPVisionEncode": "encode",
    "CLIPVisionLoader": "load_clip",
    "CheckpointLoader": "load_checkpoint",
    "CheckpointLoaderSimple": "load_checkpoint",
    "ConditioningAverage": "addWeighted",
    "ConditioningCombine": "combine",
    "ConditioningConcat": "concat",
    "ConditioningSetArea": "append",
    "ConditioningSetAreaPercentage": "append",
    "ConditioningSetAreaStrength": "append",
    "ConditioningSetMask": "append",
    "ConditioningSetTimestepRange": "set_range",
    "ConditioningZeroOut": "zero_out",
    "ControlNetApply": "apply_controlnet",
    "ControlNetApplyAdvanced": "apply_controlnet",
    "ControlNetLoader": "load_controlnet",
    "DiffControlNetLoader": "load_controlnet",
    "DualCLIPLoader": "load_clip",
    "EmptyImage": "generate",
    "EmptyLatentImage": "generate",
    "GLIGENLoader": "load_gligen",
    "GLIGENTextBoxApply": "append",
    "ImageBatch": "batch",
    "ImageInvert": "invert",
    "ImagePadForOutpaint": "expand_image",
    "ImageScale": "upscale",
    "ImageScaleBy": "upscale",
    "InpaintModelConditioning": "encode",
    "KSampler": "sample",
    "KSamplerAdvanced": "sample",
    "LatentBlend": "blend",
    "LatentComposite": "composite",
    "LatentCrop": "crop",
    "LatentFlip": "flip",
    "LatentFromBatch": "frombatch",
    "LatentRotate": "rotate",
    "LatentUpscale": "upscale",
    "LatentUpscaleBy": "upscale",
    "LoadImage": "load_image",
    "LoadImageMask": "load_image",
    "LoadImageOutput": "load_image",
    "LoadLatent": "load",
    "LoraLoader": "load_lora",
    "LoraLoaderModelOnly": "load_lora_model_only",
    "RepeatLatentBatch": "repeat",
    "SaveLatent": "save",
    "SetLatentNoiseMask": "set_mask",
    "StyleModelApply": "apply_stylemodel",
    "StyleModelLoader": "load_style_model",
    "UNETLoader": "load_unet",
    "VAEDecode": "decode",
    "VAEDecodeTiled": "decode",
    "VAEEncode": "encode",
    "VAEEncodeForInpaint": "encode",
    "VAEEncodeTiled": "encode",
    "VAELoader": "load_vae",
    "unCLIPCheckpointLoader": "load_checkpoint",
    "unCLIPConditioning": "apply_adm",
}

_EARLIER_METHODS: Mapping[str, tuple[str, ...]] = {
    "add_noise": ("AddNoise",),
    "append": ("FluxGuidance",),
    "batch": ("LatentBatch",),
    "blend_images": ("ImageBlend",),
    "blur": ("ImageBlur",),
    "combine": ("MaskComposite",),
    "composite": ("ImageCompositeMasked", "LatentCompositeMasked"),
    "crop": ("CropMask", "ImageCrop"),
    "detect_edge": ("Canny",),
    "encode": ("CLIPTextEncodeFlux",),
    "expand_mask": ("GrowMask",),
    "feather": ("FeatherMask",),
    "frombatch": ("ImageFromBatch",),
    "generate": ("EmptySD3LatentImage",),
    "get_guider": ("BasicGuider", "CFGGuider", "DualCFGGuider"),
    "get_noise": ("DisableNoise", "RandomNoise"),
    "get_sampler": ("KSamplerSelect",),
    "get_sigmas": (
        *("AlignYourStepsScheduler", "BasicScheduler", "ExponentialScheduler", "FlipSigmas", "KarrasScheduler"),
        *("PolyexponentialScheduler", "SDTurboScheduler", "SplitSigmas", "SplitSigmasDenoise", "VPScheduler"),
    ),
    "image_to_mask": ("ImageColorToMask", "ImageToMask", "ThresholdMask"),
    "invert": ("InvertMask",),
    "mask_to_image": ("MaskToImage",),
    "op": ("LatentAdd", "LatentInterpolate", "LatentMultiply", "LatentSubtract"),
    "patch": (
        *("FreeU", "FreeU_V2", "ModelSamplingDiscrete", "ModelSamplingFlux", "ModelSamplingSD3"),
        *("PerturbedAttentionGuidance", "RescaleCFG"),
    ),
    "quantize": ("ImageQuantize",),
    "repeat": ("RepeatImageBatch",),
    "sample": ("SamplerCustom", "SamplerCustomAdvanced"),
    "sharpen": ("ImageSharpen",),
    "solid": ("SolidMask",),
    "upscale": ("ImageScaleToTotalPixels",),
}
EARLIER: Mapping[str, str] = {node: method for method, nodes in _EARLIER_METHODS.items() for node in nodes}
"""By node, the method that is called ``execute`` today and that packs know by its earlier name."""

_FIRST: Mapping[str, tuple[str, ...]] = {
    "CLIPTextEncode": ("clip", "text"),
    "CLIPVisionEncode": ("clip_vision", "image"),
    "ConditioningSetMask": ("conditioning", "mask", "set_cond_area", "strength"),
    "InpaintModelConditioning": ("positive", "negative", "pixels", "vae", "mask"),
    "VAEDecode": ("vae", "samples"),
    "VAEDecodeTiled": ("vae", "samples"),
    "VAEEncode": ("vae", "pixels"),
    "VAEEncodeForInpaint": ("vae", "pixels", "mask"),
    "VAEEncodeTiled": ("vae", "pixels"),
}
"""The arguments that come first where that is not the order of the inputs."""


def call_form(node: NodeType) -> CallForm:
    """How a node's class is called."""
    first = _FIRST.get(node.id, ())
    names = [item.name for item in node.inputs] + list(node.hidden)
    arguments = (*first, *(name for name in names if name not in first))
    return CallForm(_METHODS.get(node.id, "execute"), arguments, EARLIER.get(node.id))
