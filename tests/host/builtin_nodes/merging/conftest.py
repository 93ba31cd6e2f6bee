"""Two small checkpoints in a models folder, and a host's model manager over them."""

from __future__ import annotations

from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from host.builtin_nodes.families.clip_text.plugin import ClipTextFamily
from host.builtin_nodes.families.kl_vae.plugin import KlVaeFamily
from host.builtin_nodes.families.sd1.plugin import Sd1Family
from host.builtin_nodes.lora.plugin import register_patch_formats
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice, ModelSettings
from sdk import CONFIG_METADATA
from tests.support.node_context import LoneContext, context_in
from tests.support.tiny_checkpoint import write_tiny_checkpoint


@pytest.fixture(scope="package")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``one.safetensors`` and ``two.safetensors``, whose weights are others."""
    folder = tmp_path_factory.mktemp("checkpoints")
    one = write_tiny_checkpoint(folder / "one.safetensors")
    tensors = {key: (value * 1.5 + 0.25).half() for key, value in load_file(one).items()}
    config = '{"unet.heads": 4, "clip_l.heads": 4}'
    save_file(tensors, folder / "two.safetensors", metadata={CONFIG_METADATA: config})
    return folder


@pytest.fixture
def context(checkpoints: Path, tmp_path: Path) -> LoneContext:
    """A node's context whose models are read in float32; what is saved goes below ``tmp_path``."""
    families = [Sd1Family(), ClipTextFamily(), KlVaeFamily()]
    settings = ModelSettings(device="cpu", dtype="fp32")
    made = context_in(tmp_path)
    formats = list(register_patch_formats())
    made.models = ModelManager(Library([checkpoints, tmp_path]), families, formats, CpuDevice(), settings)
    return made
