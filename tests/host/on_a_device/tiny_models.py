"""A tiny checkpoint of the reference data, on a device and with a budget of the test's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from host.builtin_nodes.lora.plugin import register_patch_formats
from host.builtin_nodes.sampler_nodes import ksampler
from host.builtin_nodes.sampling.registry import SAMPLERS, SCHEDULERS
from host.folders import LocalFolders
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import Device, ModelSettings
from sdk import ModelHandle
from tests.goldens.runners.family_models import families
from tests.support.node_context import LoneContext

BATCH, CELLS = 2, 12


@dataclass(frozen=True, eq=False)
class OnDevice:
    """A checkpoint's parts, and prompts for it that need no encoding."""

    manager: ModelManager
    parts: Mapping[str, ModelHandle]
    positive: Any
    negative: Any
    context: LoneContext

    def sampled(self, model: ModelHandle | None = None, **changes: Any) -> Tensor:
        """A short run of a KSampler; ``changes`` replace its inputs."""
        inputs = {
            "model": model or self.parts["denoiser"],
            "seed": 3,
            "steps": 2,
            "cfg": 4.0,
            "sampler_name": "euler_ancestral",
            "scheduler": "normal",
            "positive": self.positive,
            "negative": self.negative,
            "latent_image": {"samples": torch.zeros(BATCH, self._channels, CELLS, CELLS)},
            "context": self.context,
        }
        found: Tensor = ksampler(**{**inputs, **changes})["samples"]
        return found

    @property
    def _channels(self) -> int:
        channels: int = self.parts["denoiser"].adapter.latent_format.channels
        return channels


def on_device(checkpoint: Path, case: Path, device: Device) -> OnDevice:
    """The models of a checkpoint, with the prompts of one of the reference's sampling cases."""
    settings = ModelSettings(dtype="fp32")
    manager = ModelManager(Library([checkpoint.parent]), families(), register_patch_formats(), device, settings)
    context = LoneContext(
        LocalFolders(checkpoint.parent, Library([checkpoint.parent / "models"])),
        models=manager,
        samplers={sampler.name: sampler for sampler in SAMPLERS},
        schedulers={scheduler.name: scheduler for scheduler in SCHEDULERS},
    )
    given = load_file(case)
    positive, negative = ([[given[f"in.{side}"], _pooled(given, side)]] for side in ("positive", "negative"))
    return OnDevice(manager, manager.open(checkpoint), positive, negative, context)


def _pooled(given: Mapping[str, Tensor], side: str) -> dict[str, Tensor]:
    name = f"in.{side}_pooled"
    return {"pooled_output": given[name]} if name in given else {}
