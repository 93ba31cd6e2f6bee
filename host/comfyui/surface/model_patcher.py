"""``comfy.model_patcher``: the class of MODEL objects, and functions that change their ``model_options``."""

from __future__ import annotations

from host.comfyui.surface.held_denoiser import Model as ModelPatcher
from host.comfyui.surface.model_options import (
    create_model_options_clone,
    set_model_options_patch_replace,
    set_model_options_post_cfg_function,
    set_model_options_pre_cfg_function,
)

__all__ = [
    "ModelPatcher",
    "create_model_options_clone",
    "set_model_options_patch_replace",
    "set_model_options_post_cfg_function",
    "set_model_options_pre_cfg_function",
]
