from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from host.builtin_nodes.latents.files import UnreadableLatent, load_latent, read_latent, save_latent
from tests.support.node_context import context_in

VALUES = torch.randn(2, 4, 3, 5)


def test_a_saved_latent_comes_back_bit_for_bit(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    ui = save_latent.run(None, {"samples": {"samples": VALUES}, "prompt": {"1": {}}}, context).ui
    assert ui == {"latents": [{"filename": "ComfyUI_00001_.latent", "subfolder": "latents", "type": "output"}]}
    (latent,) = load_latent.run(None, {"latent": "latents/ComfyUI_00001_.latent [output]"}, context).outputs
    assert torch.equal(latent["samples"], VALUES)


def test_the_workflow_lies_in_the_header(tmp_path: Path) -> None:
    inputs = {"samples": {"samples": VALUES}, "filename_prefix": "x", "prompt": {"1": {}}, "extra_pnginfo": {"a": [1]}}
    save_latent.run(None, inputs, context_in(tmp_path))
    with safe_open(tmp_path / "output/x_00001_.latent", "pt") as file:
        assert {key: json.loads(text) for key, text in file.metadata().items()} == {"prompt": {"1": {}}, "a": [1]}


def test_old_files_are_brought_to_todays_scale(tmp_path: Path) -> None:
    save_file({"latent_tensor": VALUES * 0.18215}, tmp_path / "old.latent")
    torch.testing.assert_close(read_latent(tmp_path / "old.latent"), VALUES)


@pytest.mark.parametrize("content", [b"", b"hello, this is no latent at all"])
def test_a_file_that_is_no_safetensors_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.latent").write_bytes(content)
    with pytest.raises(UnreadableLatent, match=r"x\.latent holds no latent"):
        read_latent(tmp_path / "x.latent")


def test_other_tensors_are_no_latent(tmp_path: Path) -> None:
    save_file({"weight": VALUES}, tmp_path / "x.latent")
    with pytest.raises(UnreadableLatent, match="latent_tensor"):
        read_latent(tmp_path / "x.latent")
