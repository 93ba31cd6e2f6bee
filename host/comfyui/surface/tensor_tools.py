"""``comfy.utils``: progress bars, resizing, tiles, files of tensors, and the keys of state dicts.

Torch is imported with the first function that needs it.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host.comfyui.offered import UnknownName
from host.comfyui.surface.progress import ProgressBar
from host.comfyui.surface.tensor_files import LoadedTensors
from sdk.whole_files import whole_file

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "ProgressBar",
    "bislerp",
    "calculate_parameters",
    "common_upscale",
    "get_attr",
    "lanczos",
    "load_torch_file",
    "repeat_to_batch_size",
    "resize_to_batch_size",
    "safetensors_header",
    "save_torch_file",
    "set_attr",
    "state_dict_prefix_replace",
    "string_to_seed",
]


def __getattr__(name: str) -> Any:
    """``tiled_scale`` and its relatives, and whether progress is shown."""
    if name == "PROGRESS_BAR_ENABLED":
        return True
    if name in ("get_tiled_scale_steps", "tiled_scale", "tiled_scale_multidim"):
        from host.comfyui.surface import tiles

        return getattr(tiles, name)
    raise UnknownName(name)


def common_upscale(samples: Tensor, width: int, height: int, upscale_method: str, crop: str) -> Tensor:
    """Samples [batch, channel, …, height, width] at another size.

    Args:
        upscale_method: "nearest-exact", "bilinear", "area", "bicubic", "lanczos" or "bislerp".
        crop: "center" first cuts the middle out at the wanted proportions; "disabled" distorts.
    """
    from host.builtin_nodes.latents.scaling import scale_latent

    return scale_latent(samples, width, height, upscale_method, crop)


def bislerp(samples: Tensor, width: int, height: int) -> Tensor:
    """Samples resized along the sphere on which their cells' vectors lie."""
    from host.builtin_nodes.latents.scaling import bislerp as resized

    return resized(samples, width, height)


def lanczos(samples: Tensor, width: int, height: int) -> Tensor:
    """Samples resized as pictures of 8 bits by Lanczos' filter."""
    return common_upscale(samples, width, height, "lanczos", "disabled")


def repeat_to_batch_size(tensor: Tensor, batch_size: int, dim: int = 0) -> Tensor:
    """``batch_size`` items along a dimension: the first ones, or all of them again and again."""
    have = tensor.shape[dim]
    if have >= batch_size:
        return tensor.narrow(dim, 0, batch_size)
    times = [1] * tensor.ndim
    times[dim] = -(-batch_size // have)
    return tensor.repeat(times).narrow(dim, 0, batch_size)


def resize_to_batch_size(tensor: Tensor, batch_size: int) -> Tensor:
    """``batch_size`` items spread evenly over those of a batch, from the first to the last; each is one of them."""
    have = len(tensor)
    if have == batch_size:
        return tensor
    if batch_size <= 1:
        return tensor[:batch_size]
    if batch_size < have:
        return tensor[[round(index * (have - 1) / (batch_size - 1)) for index in range(batch_size)]]
    return tensor[[(2 * index + 1) * have // (2 * batch_size) for index in range(batch_size)]]


def load_torch_file(ckpt: str | Path, safe_load: bool = True, device: Any = None, return_metadata: bool = False) -> Any:
    """The tensors of a model file by name; with ``return_metadata`` also what its header says, or None.

    Pickles are read for tensors and plain values alone, whatever ``safe_load`` says: one that runs code is refused.
    """
    import torch

    from host.models.files.weights import LazyTensors, open_weights

    file = open_weights(Path(ckpt))
    tensors = LazyTensors(file)
    with torch.inference_mode(False):  # whose tensors don't count who writes to them
        moved = {name: tensors[name] if device is None else tensors[name].to(device) for name in tensors}
    loaded = LoadedTensors(Path(ckpt), moved)
    return (loaded, dict(file.header.metadata) or None) if return_metadata else loaded


def safetensors_header(safetensors_path: str | Path, max_size: int = 100 * 2**20) -> bytes | None:
    """The JSON at the head of a safetensors file; None where it has more than ``max_size`` bytes."""
    with open(safetensors_path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        return file.read(size) if size <= max_size else None


def save_torch_file(sd: Mapping[str, Tensor], ckpt: str | Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors to a safetensors file, which appears whole or not at all."""
    from safetensors.torch import save_file

    with whole_file(Path(ckpt)) as part:
        save_file({name: tensor.contiguous() for name, tensor in sd.items()}, part, dict(metadata or {}) or None)


def calculate_parameters(sd: Mapping[str, Tensor], prefix: str = "") -> int:
    """How many numbers the tensors hold whose names begin with ``prefix``."""
    return sum(tensor.nelement() for name, tensor in sd.items() if name.startswith(prefix))


def state_dict_prefix_replace(
    state_dict: MutableMapping[str, Any], replace_prefix: Mapping[str, str], filter_keys: bool = False
) -> MutableMapping[str, Any]:
    """The state dict with prefixes of its names replaced, in place; or a new one of those names alone."""
    out: MutableMapping[str, Any] = {} if filter_keys else state_dict
    for old, new in replace_prefix.items():
        for name in [name for name in state_dict if name.startswith(old)]:
            out[new + name[len(old) :]] = state_dict.pop(name)
    return out


def string_to_seed(data: str | bytes) -> int:
    """The CRC-32 of a text in UTF-8, or of bytes."""
    import zlib

    return zlib.crc32(data.encode() if isinstance(data, str) else data)


def get_attr(obj: Any, attr: str) -> Any:
    """What a dotted name leads to."""
    for name in attr.split("."):
        obj = getattr(obj, name)
    return obj


def set_attr(obj: Any, attr: str, value: Any) -> Any:
    """What was at a dotted name before ``value`` took its place."""
    *parents, last = attr.split(".")
    owner = get_attr(obj, ".".join(parents)) if parents else obj
    before = getattr(owner, last)
    setattr(owner, last, value)
    return before
