"""The devices and dtypes of ``comfy.model_management``: where the host runs models, and what pays there."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

from host.comfyui.home import home

if TYPE_CHECKING:
    import torch


class CPUState(Enum):
    """On what kind of device models run."""

    GPU = 0
    CPU = 1
    MPS = 2


def get_torch_device() -> torch.device:
    """The device on which the host runs models; where it lends none, as to isolated packs, the one torch offers."""
    import torch

    services = home().services()
    if services is not None:
        return services.models.torch_device
    return torch.device("cuda", 0) if torch.cuda.is_available() else _cpu()


def _cpu() -> torch.device:
    import torch

    return torch.device("cpu")


def intermediate_device() -> torch.device:
    """Where results lie between nodes: in main memory."""
    return _cpu()


def unet_offload_device() -> torch.device:
    return _cpu()


def text_encoder_offload_device() -> torch.device:
    return _cpu()


def vae_offload_device() -> torch.device:
    return _cpu()


def text_encoder_device() -> torch.device:
    return get_torch_device()


def vae_device() -> torch.device:
    return get_torch_device()


def unet_inital_load_device(parameters: int, dtype: torch.dtype) -> torch.device:
    """Where weights lie before they are used: in main memory."""
    return _cpu()


def get_torch_device_name(device: torch.device) -> str:
    """The device with its index, and the name of a CUDA device."""
    import torch

    return f"{device} {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def get_autocast_device(device: Any) -> str:
    return str(getattr(device, "type", "cuda"))


def is_device_cpu(device: Any) -> bool:
    return getattr(device, "type", None) == "cpu"


def is_device_cuda(device: Any) -> bool:
    return getattr(device, "type", None) == "cuda"


def is_device_mps(device: Any) -> bool:
    return getattr(device, "type", None) == "mps"


def is_intel_xpu() -> bool:
    return False


def is_nvidia() -> bool:
    """Whether models run on a CUDA device of NVIDIA's."""
    import torch

    return is_device_cuda(get_torch_device()) and torch.version.cuda is not None


def cpu_mode() -> bool:
    return is_device_cpu(get_torch_device())


def xformers_enabled() -> bool:
    return False


def device_supports_non_blocking(device: Any) -> bool:
    return not is_device_mps(device)


def should_use_fp16(
    device: Any = None, model_params: int = 0, prioritize_performance: bool = True, manual_cast: bool = False
) -> bool:
    """Whether half precision pays on the device: on CUDA devices from compute capability 7 on."""
    import torch

    device = get_torch_device() if device is None else torch.device(device)
    return device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 7


def should_use_bf16(
    device: Any = None, model_params: int = 0, prioritize_performance: bool = True, manual_cast: bool = False
) -> bool:
    """Whether bfloat16 pays on the device: on CUDA devices from compute capability 8 on."""
    import torch

    device = get_torch_device() if device is None else torch.device(device)
    return device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= 8


def unet_dtype(device: Any = None, **facts: Any) -> torch.dtype:
    """float16 where that pays, else float32; facts about the model have no effect."""
    import torch

    return torch.float16 if should_use_fp16(device) else torch.float32


def text_encoder_dtype(device: Any = None) -> torch.dtype:
    return unet_dtype(device)


def vae_dtype(device: Any = None, allowed_dtypes: Sequence[torch.dtype] = ()) -> torch.dtype:
    """bfloat16 where that pays, else float32: autoencoders overflow in float16."""
    import torch

    return torch.bfloat16 if should_use_bf16(device) else torch.float32


def dtype_size(dtype: torch.dtype) -> int:
    """Bytes of one number."""
    return dtype.itemsize


def module_size(module: Any) -> int:
    """Bytes of a module's state."""
    return sum(tensor.nelement() * tensor.element_size() for tensor in module.state_dict().values())


def pytorch_attention_enabled() -> bool:
    """True: attention is torch's own, unless a plugin has chosen another."""
    return True
