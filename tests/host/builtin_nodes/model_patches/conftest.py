"""A tiny model, opened by nodes."""

from __future__ import annotations

from typing import Any

import pytest

from host.builtin_nodes.families.kl_vae.plugin import KlVaeFamily
from host.builtin_nodes.families.sd1.plugin import Sd1Family
from host.builtin_nodes.loaders.files import checkpoint_loader_simple
from host.builtin_nodes.sampling.registry import SAMPLERS, SCHEDULERS
from host.folders import LocalFolders
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice, ModelSettings
from tests.support.node_context import LoneContext
from tests.support.tiny_checkpoint import write_tiny_checkpoint


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> LoneContext:
    base = tmp_path_factory.mktemp("tiny")
    write_tiny_checkpoint(base / "models" / "checkpoints" / "tiny.safetensors")
    library = Library([base / "models"])
    context = LoneContext(LocalFolders(base, library))
    settings = ModelSettings(device="cpu", dtype="fp32")
    context.models = ModelManager(library, [Sd1Family(), KlVaeFamily()], [], CpuDevice(), settings)
    context.samplers = {sampler.name: sampler for sampler in SAMPLERS}
    context.schedulers = {scheduler.name: scheduler for scheduler in SCHEDULERS}
    return context


@pytest.fixture(scope="module")
def parts(context: LoneContext) -> Any:
    return checkpoint_loader_simple("tiny.safetensors", context)
