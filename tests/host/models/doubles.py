"""A small model family, a patch format, a device with a byte budget and a plugin that watches, for these tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice, Device, ModelSettings
from sdk.models import Header, Identity, ModelHandle, Part, PatchFormat, PatchSet, Refusal, TensorSource


class Net(nn.Module):
    """Two linear layers, a computed buffer that no file holds, and an attention call."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.fused = nn.Linear(width, 3 * width, bias=False)
        self.norm = nn.LayerNorm(width)
        self.register_buffer("positions", torch.arange(width).expand((1, -1)), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.fused(self.first(x)).chunk(3, dim=-1)
        return nn.functional.scaled_dot_product_attention(query, key, self.norm(value) + self.positions)


PARTS = {"denoiser": "model.net.", "vae": "vae."}


@dataclass(frozen=True)
class NetFamily:
    """Knows files whose ``<prefix>first.weight`` is square; the part's adapter is its width."""

    name: str = "net"
    asked: list[Path] = field(default_factory=list)

    def identify(self, header: Header) -> Identity | Refusal:
        self.asked.append(header.path)
        widths = {part: header.shape(f"{prefix}first.weight") for part, prefix in PARTS.items()}
        found = {part: shape[0] for part, shape in widths.items() if shape is not None}
        if not found:
            return Refusal("has no first.weight")
        return Identity(family=self.name, kind="checkpoint", config=found, because=f"first.weight in {list(found)}")

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        return [net_part(name, width) for name, width in identity.config.items()]


def net_part(name: str, width: int, weights: Mapping[str, TensorSource] | None = None) -> Part:
    prefix = PARTS[name]
    fused = TensorSource("fused.weight", narrow=(0, width, width))
    return Part(
        name=name,
        build=lambda: Net(width),
        weights=weights or {key: TensorSource(f"{prefix}{key}") for key in net_tensors(width)},
        adapter=width,
        patch_names=lambda: {"first": "first.weight", "middle": fused, "bias": "first.bias"},
    )


def net_tensors(width: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {
        "first.weight": (width, width),
        "first.bias": (width,),
        "fused.weight": (3 * width, width),
        "norm.weight": (width,),
        "norm.bias": (width,),
    }
    return {key: torch.randn(shape, generator=generator).to(dtype) for key, shape in shapes.items()}


def write_net(
    path: Path,
    width: int = 8,
    *,
    parts: Sequence[str] = ("denoiser",),
    dtype: torch.dtype = torch.float32,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Write a checkpoint of the family; returns the tensors of its last part by the module's names."""
    tensors: dict[str, Tensor] = {}
    content = {}
    for number, part in enumerate(parts):
        tensors = net_tensors(width, dtype, seed + number)
        content |= {PARTS[part] + key: tensor for key, tensor in tensors.items()}
    save_file(content, path)
    return tensors


def net_bytes(width: int = 8, itemsize: int = 4) -> int:
    """What a Net takes on a device: its weights, and eight bytes for each position."""
    return itemsize * (width * width + width + 3 * width * width + 2 * width) + 8 * width


@dataclass(frozen=True)
class Add:
    """The weight plus strength times a tensor."""

    amount: Tensor

    def apply(self, weight: Tensor, original: Tensor, strength: float) -> Tensor:
        return weight + strength * self.amount.to(weight.device, torch.float32)


def _read_added(tensors: Mapping[str, Tensor], names: Mapping[str, Any]) -> tuple[dict[str, Add], frozenset[str]]:
    used = {key for key in tensors if key.removesuffix(".add") in names and key.endswith(".add")}
    return {key.removesuffix(".add"): Add(tensors[key]) for key in used}, frozenset(used)


ADDED = PatchFormat(name="added", read=_read_added)


def patch_set(key: str = "patch", **amounts: Tensor) -> PatchSet:
    """A patch set by weight name, with ``__`` for the dot."""
    return PatchSet(key=key, deltas={name.replace("__", "."): Add(amount) for name, amount in amounts.items()})


@dataclass(eq=False)
class FakeDevice:
    """A device of its own that holds so many bytes; its tensors are ordinary ones."""

    budget: int
    name: str = "fake:0"
    released: list[int] = field(default_factory=list)

    @property
    def maps_files(self) -> bool:
        return False

    @property
    def torch_device(self) -> torch.device:
        return torch.device("cpu")

    def free(self, held: int) -> int:
        return self.budget - held

    def release_cached(self) -> None:
        self.released.append(1)


@dataclass
class WatchingHook:
    """A plugin manager's ``hook`` with one plugin that notes what it is told and answers what it is given."""

    device: str | None = None
    attention: Any = None
    identity: Identity | str | None = None
    loaded: list[tuple[ModelHandle, int]] = field(default_factory=list)
    evicted: list[tuple[ModelHandle, int]] = field(default_factory=list)

    def identify_model(self, header: Header) -> Identity | str | None:
        return self.identity

    def choose_device(self, part: str, identity: Identity) -> str | None:
        return self.device

    def choose_attention(self, part: str, identity: Identity) -> Any:
        return self.attention

    def before_model_load(
        self, handle: ModelHandle, bytes_needed: int, job_id: str | None = None, node_id: str | None = None
    ) -> None:
        self.loaded.append((handle, bytes_needed))

    def after_model_evicted(self, handle: ModelHandle, bytes_freed: int) -> None:
        self.evicted.append((handle, bytes_freed))


def make_manager(
    device: Device | None = None, *, dtype: str = "auto", hook: Any = None, family: NetFamily | None = None, **more: Any
) -> ModelManager:
    """A manager over no folders, with the family and the patch format of this module."""
    settings = ModelSettings(dtype=dtype)
    return ModelManager(
        Library([]), [family or NetFamily()], [ADDED], device or CpuDevice(), settings, hook=hook, **more
    )


def handle_of(manager: ModelManager, path: Path) -> ModelHandle:
    """The one part of a file that most tests are about."""
    return manager.open(path)["denoiser"]


def state(module: nn.Module) -> dict[str, Tensor]:
    """Copies of a module's weights."""
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def bit_equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether two states hold the same bits."""
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and torch.equal(one[name].view(torch.uint8), other[name].view(torch.uint8))
        for name in one
    )
