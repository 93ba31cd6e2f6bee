"""``comfy.cli_args``: how the program was started, as far as packs ask. What this host has no word for is off."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from host.comfyui.home import home

__all__ = ["LatentPreviewMethod", "args"]

_OFF = frozenset(
    (
        *("auto_launch", "cpu", "cpu_vae", "deterministic", "directml", "disable_all_custom_nodes"),
        *("disable_api_nodes", "disable_metadata", "disable_smart_memory", "disable_xformers", "dont_print_server"),
        *("dont_upcast_attention", "enable_cors_header", "fast", "force_channels_last", "force_fp16", "force_fp32"),
        *("force_upcast_attention", "fp16_unet", "bf16_unet", "fp32_unet", "fp16_vae", "bf16_vae", "fp32_vae"),
        *("fp16_text_enc", "bf16_text_enc", "fp32_text_enc", "gpu_only", "highvram", "lowvram", "novram", "normalvram"),
        *("multi_user", "quick_test_for_ci", "use_flash_attention", "use_quad_cross_attention", "use_sage_attention"),
        *("use_split_cross_attention", "windows_standalone_build", "disable_auto_launch", "disable_cuda_malloc"),
    )
)
_UNSET = frozenset(("cuda_device", "default_device", "extra_model_paths_config", "front_end_root", "reserve_vram"))
_FOLDERS = ("input", "output", "temp", "user")


class LatentPreviewMethod(StrEnum):
    """Kinds of previews while sampling."""

    NoPreviews = "none"
    Auto = "auto"
    Latent2RGB = "latent2rgb"
    TAESD = "taesd"


class Arguments:
    """Flags by name. Packs may set some; nobody but packs reads what they set."""

    preview_method = LatentPreviewMethod.Auto
    preview_size = 512
    listen = "127.0.0.1"
    port = 8188
    verbose = "INFO"
    use_pytorch_cross_attention = True

    def __getattr__(self, name: str) -> Any:
        if name in _OFF:
            return False
        if name in _UNSET:
            return None
        if name == "base_directory":
            return str(home().base)
        root, _, rest = name.partition("_")
        if rest == "directory" and root in _FOLDERS:
            return str(home().folders.root(root))
        raise AttributeError(f"the flag {name!r} of ComfyUI's command line is not known to packs here")


args = Arguments()
