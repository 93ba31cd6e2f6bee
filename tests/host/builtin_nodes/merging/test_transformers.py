"""Transformers saved, and their differences made LoRAs: layers that files have in one and modules in several."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from host.builtin_nodes.families.flux.plugin import FluxFamily
from host.builtin_nodes.families.sd3.plugin import Sd3Family
from host.builtin_nodes.lora.plugin import register_patch_formats
from host.builtin_nodes.merging.extract_nodes import lora_save
from host.builtin_nodes.merging.nodes import model_merge_subtract
from host.builtin_nodes.merging.save_nodes import model_save
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice, ModelSettings
from sdk import CONFIG_METADATA
from tests.host.builtin_nodes.families.mmdit.small_transformers import (
    FLUX,
    SD3,
    flux_in_original_layout,
    inputs,
    small_flux,
    small_sd3,
)
from tests.support.node_context import LoneContext, context_in

RANK = 2


@pytest.fixture
def context(tmp_path: Path) -> LoneContext:
    context = context_in(tmp_path)
    settings = ModelSettings(device="cpu", dtype="fp32")
    formats = list(register_patch_formats())
    context.models = ModelManager(Library([tmp_path]), [FluxFamily(), Sd3Family()], formats, CpuDevice(), settings)
    return context


def written(tensors: dict[str, Tensor], path: Path) -> Path:
    facts = {CONFIG_METADATA: json.dumps({"flux.rotary": list(FLUX.rotary), "mmdit.heads": SD3.heads})}
    save_file({key: value.contiguous() for key, value in tensors.items()}, path, facts)
    return path


def changed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights with differences of low rank in matrices, and any in biases and norms."""
    generator = torch.Generator().manual_seed(7)

    def difference(value: Tensor) -> Tensor:
        if value.ndim < 2:
            return torch.randn(value.shape, generator=generator) * 0.1
        up = torch.randn(value.shape[0], RANK, generator=generator)
        return up @ torch.randn(RANK, value.shape[1], generator=generator) * 0.1

    return {key: value + difference(value) for key, value in tensors.items()}


def saved(context: LoneContext, result: Any) -> Path:
    shown = result.ui["models"][0]
    return context.folders.place("x").folder / shown["subfolder"] / shown["filename"]


def test_a_difference_of_transformers_is_saved_under_the_original_s_names_and_read_back(
    context: LoneContext, tmp_path: Path
) -> None:
    stored = flux_in_original_layout()
    one = context.models.open(written(stored, tmp_path / "one.safetensors"))["denoiser"]
    two = context.models.open(written(changed(stored), tmp_path / "two.safetensors"))["denoiser"]
    result = lora_save(
        context=context, rank=RANK, lora_type="standard", model_diff=model_merge_subtract(two, one, context)
    )
    path = saved(context, result)
    stems = {key.removeprefix("diffusion_model.").rpartition(".lora_up")[0] for key in load_file(path)} - {""}
    assert stems == {key.removesuffix(".weight") for key, value in stored.items() if value.ndim == 2}
    assert not [line for line in context.said if isinstance(line, str)]

    (patches,) = context.models.read_patches(path, [one])
    assert patches.unmatched == ()
    found, expected = context.models.weights(one.with_patches(patches, 1.0)), context.models.weights(two)
    for name in expected.shapes:
        torch.testing.assert_close(found[name].float(), expected[name], rtol=0, atol=1e-4)


def test_what_a_lora_has_no_name_for_is_told(context: LoneContext, tmp_path: Path) -> None:
    handles = []
    for name, shift in (("one", 0.0), ("two", 1.0)):
        module = small_sd3(original_layout=False)
        module.pos_embed.pos_embed.add_(shift)
        handles.append(context.models.open(written(module.state_dict(), tmp_path / f"{name}.safetensors"))["denoiser"])
    difference = model_merge_subtract(handles[1], handles[0], context)
    lora_save(context=context, rank=RANK, lora_type="standard", model_diff=difference)
    assert "1 weights differ that a LoRA has no name for, and are left out: pos_embed.pos_embed" in context.said


@pytest.mark.parametrize("build", [small_flux, small_sd3])
def test_a_transformer_in_diffusers_layout_is_saved_in_the_original_s(
    context: LoneContext, tmp_path: Path, build: Any
) -> None:
    path = written(build(original_layout=False).state_dict(), tmp_path / "diffusers.safetensors")
    handle = context.models.open(path)["denoiser"]
    again = context.models.open(saved(context, model_save(context, handle)))["denoiser"]
    assert (handle.identity.config["transformer"]["original_layout"]) is False
    assert again.identity.config["transformer"] == {**handle.identity.config["transformer"], "original_layout": True}
    given, outputs = inputs(batch=2), []
    for each in (handle, again):
        with context.models.borrow(each) as module:
            outputs.append(each.adapter.forward(module, **given))
    assert torch.equal(*outputs)
