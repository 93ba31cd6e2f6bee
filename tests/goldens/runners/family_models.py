"""The reference data's tiny models as files, opened by the model manager."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from host.builtin_nodes.controlnet.plugin import register_model_families as control_families
from host.builtin_nodes.families.clip_text.plugin import ClipTextFamily
from host.builtin_nodes.families.clip_vision.plugin import ClipVisionFamily
from host.builtin_nodes.families.flux.plugin import FluxFamily
from host.builtin_nodes.families.kl_vae.plugin import KlVaeFamily
from host.builtin_nodes.families.sd1.plugin import Sd1Family
from host.builtin_nodes.families.sd2.plugin import Sd2Family
from host.builtin_nodes.families.sd2_unclip.plugin import Sd2UnclipFamily
from host.builtin_nodes.families.sd3.plugin import Sd3Family
from host.builtin_nodes.families.sdxl.plugin import SdxlFamily
from host.builtin_nodes.families.sdxl_refiner.plugin import SdxlRefinerFamily
from host.builtin_nodes.families.style_models.plugin import StyleModelFamily
from host.builtin_nodes.families.t5.plugin import T5Family
from host.builtin_nodes.families.taesd.plugin import TinyVaeFamily
from host.builtin_nodes.families.text_encoders.kinds import USE_FACT
from host.builtin_nodes.families.text_encoders.plugin import TextEncodersFamily
from host.builtin_nodes.gligen.plugin import GligenFamily
from host.builtin_nodes.sampling.registry import SAMPLERS, SCHEDULERS
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice, Device, ModelSettings
from sdk.models import CONFIG_METADATA, ModelFamily, ModelHandle
from tests.goldens.runners.synthetic_weights import synthetic_weights
from tests.support.node_context import LoneContext, context_in

CPU = CpuDevice()
"""Where cases are computed unless somebody wants them elsewhere."""

_USES = {"te_cascade_g": "stable_cascade"}
_ENCODERS = {"te_cascade_g": "clip_g"}
"""Which encoder a file has that is too small to tell, where it isn't CLIP-L."""


def families() -> list[ModelFamily]:
    """Every family the product has."""
    unets: list[ModelFamily] = [
        Sd1Family(),
        Sd2Family(),
        SdxlFamily(),
        SdxlRefinerFamily(),
        ClipTextFamily(),
        KlVaeFamily(),
    ]
    transformers: list[ModelFamily] = [Sd3Family(), FluxFamily(), T5Family(), TextEncodersFamily(), TinyVaeFamily()]
    pictures: list[ModelFamily] = [ClipVisionFamily(), Sd2UnclipFamily(), StyleModelFamily(), GligenFamily()]
    return [*unets, *transformers, *control_families(), *pictures]


@dataclass(frozen=True)
class TinyModel:
    """A checkpoint file and the manager that has it open; ``use`` says what a text encoder alone is used for."""

    path: Path
    manager: ModelManager
    use: str | None = None

    @cached_property
    def handles(self) -> Mapping[str, ModelHandle]:
        if self.use is None:
            return self.manager.open(self.path)
        return self.manager.open_together({"first": self.path}, {USE_FACT: self.use})

    @contextmanager
    def borrowed(self, part: str) -> Iterator[tuple[Any, Any]]:
        """A part's module together with its adapter."""
        handle = self.handles[part]
        with self.manager.borrow(handle) as module:
            yield module, handle.adapter

    def beside(self, manifest: Path) -> Mapping[str, ModelHandle]:
        """The parts of another of the folder's models, opened by the same manager."""
        path = self.path.with_name(f"{self.path.stem}_{manifest.name.removesuffix('.manifest.json')}.safetensors")
        if not path.exists():
            own = json.loads(manifest.read_text(encoding="utf-8"))
            base = json.loads((manifest.parent / "model.manifest.json").read_text(encoding="utf-8"))
            save_file(_tensors(own), path, metadata={CONFIG_METADATA: json.dumps(_heads(base["config"]))})
        return self.manager.open(path)

    def context(self, base: Path) -> LoneContext:
        """What a node needs to use the model."""
        context = context_in(base)
        context.models = self.manager
        context.samplers = {sampler.name: sampler for sampler in SAMPLERS}
        context.schedulers = {scheduler.name: scheduler for scheduler in SCHEDULERS}
        return context


@cache
def tiny_model(folder: Path, directory: Path, device: Device) -> TinyModel:
    """The model of a family's folder, whose checkpoint is written into ``directory`` once."""
    manifest = json.loads((folder / "model.manifest.json").read_text(encoding="utf-8"))
    path = directory / f"{folder.name}.safetensors"
    alone = _ENCODERS.get(folder.name)
    facts = {"text_encoder": alone, f"{alone}.heads": manifest["config"]["heads"]} if alone else None
    metadata = {CONFIG_METADATA: json.dumps(facts or _heads(manifest["config"]))}
    save_file(_tensors(manifest), path, metadata=metadata)
    manager = ModelManager(Library([directory]), families(), [], device, ModelSettings(dtype="fp32"))
    return TinyModel(path, manager, _USES.get(folder.name))


def _tensors(manifest: Mapping[str, Any]) -> dict[str, Tensor]:
    positions = {
        key: torch.arange(shape[-1]).reshape(shape)
        for key, (_, shape) in manifest["keys"].items()
        if key.endswith("position_ids")
    }
    return {**synthetic_weights(manifest), **positions}


def _heads(config: Mapping[str, Any]) -> dict[str, int]:
    """What the shapes of a model smaller than real ones can't tell."""
    encoders = {key: config[key] for key in ("clip_l", "clip_g", "clip_h") if key in config}
    if "unet" not in config:
        encoders = {"clip_l": config}
    heads = {f"{key}.heads": encoder["heads"] for key, encoder in encoders.items()}
    of_unet = config.get("unet", {}).get("num_heads")
    return {**heads, "unet.heads": of_unet} if isinstance(of_unet, int) else heads
