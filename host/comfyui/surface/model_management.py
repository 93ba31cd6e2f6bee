"""``comfy.model_management``: devices, dtypes, memory and cancelling, as far as packs ask.

The host places and evicts its own models; what packs ask for about that is already so, or done when weights are used.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from enum import Enum
from threading import Thread
from typing import TYPE_CHECKING, Any

from host.comfyui.handles import Held
from host.comfyui.home import home
from host.comfyui.offered import UnknownName
from host.comfyui.running import OutsideOfNodes, running
from host.comfyui.surface.compute_devices import (
    CPUState,
    cpu_mode,
    device_supports_non_blocking,
    dtype_size,
    get_autocast_device,
    get_torch_device,
    get_torch_device_name,
    intermediate_device,
    is_device_cpu,
    is_device_cuda,
    is_device_mps,
    is_intel_xpu,
    is_nvidia,
    module_size,
    pytorch_attention_enabled,
    should_use_bf16,
    should_use_fp16,
    text_encoder_device,
    text_encoder_dtype,
    text_encoder_offload_device,
    unet_dtype,
    unet_inital_load_device,
    unet_offload_device,
    vae_device,
    vae_dtype,
    vae_offload_device,
    xformers_enabled,
)
from sdk.errors import Cancelled, NodeError
from sdk.errors import Cancelled as InterruptProcessingException

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "CPUState",
    "InterruptProcessingException",
    "VRAMState",
    "cast_to",
    "cast_to_device",
    "cleanup_models",
    "cpu_mode",
    "current_loaded_models",
    "device_supports_non_blocking",
    "dtype_size",
    "free_memory",
    "get_autocast_device",
    "get_free_memory",
    "get_torch_device",
    "get_torch_device_name",
    "get_total_memory",
    "intermediate_device",
    "interrupt_current_processing",
    "is_device_cpu",
    "is_device_cuda",
    "is_device_mps",
    "is_intel_xpu",
    "is_nvidia",
    "load_model_gpu",
    "load_models_gpu",
    "loaded_models",
    "module_size",
    "processing_interrupted",
    "pytorch_attention_enabled",
    "should_use_bf16",
    "should_use_fp16",
    "soft_empty_cache",
    "text_encoder_device",
    "text_encoder_dtype",
    "text_encoder_offload_device",
    "throw_exception_if_processing_interrupted",
    "unet_dtype",
    "unet_inital_load_device",
    "unet_offload_device",
    "unload_all_models",
    "unload_model_clones",
    "vae_device",
    "vae_dtype",
    "vae_offload_device",
    "vram_state",
    "xformers_enabled",
]


_MEBIBYTE = 2**20


class VRAMState(Enum):
    """How a device's memory is used; the host decides that from the memory there is."""

    DISABLED = 0
    NO_VRAM = 1
    LOW_VRAM = 2
    NORMAL_VRAM = 3
    HIGH_VRAM = 4
    SHARED = 5


vram_state = VRAMState.NORMAL_VRAM
current_loaded_models: tuple[Any, ...] = ()
"""Always empty: which models are loaded is the host's business, and changes at any time."""


def __getattr__(name: str) -> Any:
    """What only torch knows: errors where memory runs out, the kind of device models run on, memory in MiB."""
    if name == "cpu_state":
        return CPUState.CPU if cpu_mode() else CPUState.GPU
    if name == "OOM_EXCEPTION":
        import torch

        return torch.OutOfMemoryError
    if name in ("total_vram", "total_ram"):
        device = get_torch_device() if name == "total_vram" else "cpu"
        return get_total_memory(device) / _MEBIBYTE
    raise UnknownName(name)


def get_total_memory(dev: Any = None, torch_total_too: bool = False) -> Any:
    """Bytes of the device's memory; with ``torch_total_too`` (these, those that torch has reserved)."""
    import torch

    device = get_torch_device() if dev is None else torch.device(dev)
    if device.type != "cuda":
        total = reserved = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    else:
        total, reserved = torch.cuda.mem_get_info(device)[1], torch.cuda.memory_reserved(device)
    return (total, reserved) if torch_total_too else total


def get_free_memory(dev: Any = None, torch_free_too: bool = False) -> Any:
    """Bytes free on the device; with ``torch_free_too`` (these, those of them that torch has reserved)."""
    import torch

    from host.models.residency.devices import open_device

    device = get_torch_device() if dev is None else torch.device(dev)
    free = open_device(str(device)).free(0)
    if not torch_free_too:
        return free
    reserved = (
        torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device) if device.type == "cuda" else free
    )
    return free, reserved


def soft_empty_cache(force: bool = False) -> None:
    """Give memory back that is kept for later."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def unload_all_models() -> None:
    """Take the host's models off their devices that nobody uses; outside of nodes once a run under way lets go."""
    services = home().services()
    if services is None:
        return
    if running() is not None:
        services.free_models()
    else:  # a server's thread must not wait for a run
        Thread(target=services.free_models, name="unload_all_models", daemon=True).start()


def free_memory(memory_required: float, device: Any, keep_loaded: Sequence[Any] = ()) -> list[Any]:
    """Take the host's models off their devices if less than ``memory_required`` bytes are free; an empty list."""
    if get_free_memory(device) < memory_required:
        unload_all_models()
    return []


def load_models_gpu(
    models: Sequence[Any],
    memory_required: float = 0,
    force_patch_weights: bool = False,
    minimum_memory_required: float | None = None,
    force_full_load: bool = False,
) -> None:
    """Nothing: the host's models are brought to their device whenever they are used.

    Raises:
        NodeError: one of them is not the host's, so that nobody would bring it there.
    """
    for model in models:
        if not isinstance(model, Held):
            raise NodeError(
                f"load_models_gpu was given {type(model).__name__}, which is none of the host's models. "
                "Move a module that the pack made itself with its own `to`."
            )


def load_model_gpu(model: Any) -> None:
    """See ``load_models_gpu``."""
    load_models_gpu([model])


def loaded_models(only_currently_used: bool = False) -> list[Any]:
    """An empty list; see ``current_loaded_models``."""
    return []


def cleanup_models() -> None:
    """Nothing: the host forgets models that nobody can reach."""


def unload_model_clones(model: Any, unload_weights_only: bool = True, force_unload: bool = True) -> None:
    """Nothing: models with other patches share their weights."""


def cast_to(
    weight: Tensor, dtype: Any = None, device: Any = None, non_blocking: bool = False, copy: bool = False
) -> Tensor:
    """A tensor on another device or in another dtype; the same one where nothing changes, unless ``copy``."""
    return weight.to(device=device, dtype=dtype, non_blocking=non_blocking, copy=copy)


def cast_to_device(tensor: Tensor, device: Any, dtype: Any, copy: bool = False) -> Tensor:
    """See ``cast_to``."""
    return tensor.to(device=device, dtype=dtype, copy=copy)


def processing_interrupted() -> bool:
    """Whether the job of the running node is cancelled; False outside of nodes."""
    call = running()
    return call is not None and call.context.cancel.cancelled


def throw_exception_if_processing_interrupted() -> None:
    """Raise ``InterruptProcessingException`` once the job of the running node is cancelled."""
    call = running()
    if call is not None:
        call.context.cancel.raise_if_cancelled()


def interrupt_current_processing(value: bool = True) -> None:
    """Cancel the job of the running node: its next report of progress ends it, or on the command line this call.

    Raises:
        OutsideOfNodes: no node runs.
    """
    from host.comfyui.surface.prompt_server import PromptServer

    if not value:
        return
    call = running()
    if call is None:
        raise OutsideOfNodes("interrupt_current_processing")
    if PromptServer.instance.server is None:
        raise Cancelled("cancelled by a pack")
    PromptServer.instance.server.cancel(call.context.prompt_id)
