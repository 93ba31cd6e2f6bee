"""Checkpoints opened with the configuration they were trained with."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.builtin_nodes.families.sampled_model import parametrisation_of
from host.builtin_nodes.families.sd1.plugin import Sd1Family
from host.builtin_nodes.loaders.configured import checkpoint_loader
from host.builtin_nodes.sampling.predictions import Epsilon, Velocity
from host.folders import LocalFolders
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice
from sdk import NodeError
from tests.support.node_context import LoneContext, context_in
from tests.support.tiny_checkpoint import write_tiny_checkpoint

CONFIG = """
model:
  params:
    {prediction}
    cond_stage_config:
      target: some.where.FrozenEncoder
      {layer}
"""


@pytest.fixture
def context(tmp_path: Path) -> LoneContext:
    write_tiny_checkpoint(tmp_path / "models" / "checkpoints" / "tiny.safetensors")
    (tmp_path / "models" / "configs").mkdir()
    library = Library([tmp_path / "models"])
    library.add("configs", [tmp_path / "models" / "configs"])
    context = context_in(tmp_path)
    context.folders = LocalFolders(tmp_path, library)
    context.models = ModelManager(library, [Sd1Family()], [], CpuDevice())
    return context


def config(context: LoneContext, tmp_path: Path, text: str) -> str:
    (tmp_path / "models" / "configs" / "a.yaml").write_text(text, encoding="utf-8")
    assert context.folders.names("configs") == ("a.yaml",)
    return "a.yaml"


def test_a_configuration_says_what_is_predicted_and_which_layer_speaks(context: LoneContext, tmp_path: Path) -> None:
    text = CONFIG.format(prediction='parameterization: "v"', layer="params: {layer_idx: -2}")
    model, clip, vae = checkpoint_loader(config(context, tmp_path, text), "tiny.safetensors", context)
    assert isinstance(parametrisation_of(model).prediction, Velocity)
    assert clip.options["stop_at_layer"] == -2
    assert vae.part == "vae"


def test_what_a_configuration_leaves_open_is_the_checkpoint_s_own(context: LoneContext, tmp_path: Path) -> None:
    name = config(context, tmp_path, CONFIG.format(prediction="linear_start: 0.00085", layer=""))
    model, clip, _ = checkpoint_loader(name, "tiny.safetensors", context)
    assert isinstance(parametrisation_of(model).prediction, Epsilon)
    assert clip.options == model.options == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model: [", "it is no YAML"),
        ("- 1", "it has no section 'model'"),
        ("model: {params: {}}", "it has no section 'cond_stage_config'"),
        ("model: {params: {cond_stage_config: {params: {layer_idx: two}}}}", "layer_idx is 'two'"),
        ("!!python/object/apply:os.getcwd []", "it is no YAML"),
    ],
)
def test_what_is_no_configuration_is_refused_by_name(
    context: LoneContext, tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(NodeError, match=rf"a\.yaml can't be used as a checkpoint's configuration: {said}"):
        checkpoint_loader(config(context, tmp_path, text), "tiny.safetensors", context)
