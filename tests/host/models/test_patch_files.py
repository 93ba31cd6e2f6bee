from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from host.models.errors import MalformedFile, ModelFileError
from host.models.patch_files import PatchFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A LoRA-like file in a folder of its own."""
    save_file({"layer.lora_A.weight": torch.ones(1, 2)}, tmp_path / "adapter_model.safetensors")
    return tmp_path / "adapter_model.safetensors"


def test_a_file_is_its_tensors_by_key(path: Path) -> None:
    file = PatchFile(path, "content")
    assert list(file) == ["layer.lora_A.weight"]
    assert torch.equal(file["layer.lora_A.weight"], torch.ones(1, 2))
    assert file.adapter_config == {}
    assert file.key == "adapter_model.safetensors (content)"


def test_peft_s_configuration_is_read_from_beside_it(path: Path) -> None:
    path.with_name("adapter_config.json").write_text('{"peft_type": "IA3"}')
    assert PatchFile(path, "content").adapter_config == {"peft_type": "IA3"}
    assert PatchFile(path, "content").key != "adapter_model.safetensors (content)"


@pytest.mark.parametrize(("text", "problem"), [("{", "it is no JSON"), ("[1]", "it holds no JSON object")])
def test_a_broken_configuration_is_refused_by_name_when_it_is_needed(text: str, problem: str, path: Path) -> None:
    path.with_name("adapter_config.json").write_text(text)
    file = PatchFile(path, "content")
    with pytest.raises(MalformedFile, match=rf"adapter_config\.json: {problem}"):
        _ = file.adapter_config


def test_a_configuration_that_can_t_be_read_is_named(path: Path) -> None:
    path.with_name("adapter_config.json").mkdir()
    with pytest.raises(ModelFileError, match=r"adapter_config\.json: can't be read"):
        PatchFile(path, "content")
