"""LoRAs for Flux that bring further inputs, as those for depths and outlines do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from host.builtin_nodes.families.flux.denoiser import flux_denoiser
from host.builtin_nodes.families.flux.plugin import FluxFamily
from host.builtin_nodes.lora.nodes import lora_loader_model_only
from host.builtin_nodes.lora.plugin import register_patch_formats
from host.builtin_nodes.merging.save_nodes import model_save
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice, ModelSettings
from sdk import CONFIG_METADATA, ModelHandle
from tests.host.builtin_nodes.families.mmdit.small_transformers import (
    FLUX,
    flux_in_original_layout,
    inputs,
    small_flux,
)
from tests.support.node_context import LoneContext, context_in

RANK, WIDE = 2, 128
IMAGE = torch.randn(1, 16, 4, 6, generator=torch.Generator().manual_seed(5))


def control_lora() -> dict[str, Tensor]:
    """As their makers store it: the original's names with nothing before them, and norms whole."""
    generator = torch.Generator().manual_seed(4)

    def made(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) * 0.2

    return {
        "img_in.lora_A.weight": made(RANK, WIDE),
        "img_in.lora_B.weight": made(FLUX.hidden, RANK),
        "img_in.lora_B.bias": made(FLUX.hidden),
        "double_blocks.0.img_attn.qkv.lora_A.weight": made(RANK, FLUX.hidden),
        "double_blocks.0.img_attn.qkv.lora_B.weight": made(3 * FLUX.hidden, RANK),
        "double_blocks.0.img_attn.norm.key_norm.scale": made(FLUX.hidden // FLUX.heads),
    }


@pytest.fixture
def context(tmp_path: Path) -> LoneContext:
    """A context with a small Flux and such a LoRA."""
    context = context_in(tmp_path)
    folder = tmp_path / "models" / "loras"
    folder.mkdir(parents=True, exist_ok=True)
    facts = {CONFIG_METADATA: json.dumps({"flux.rotary": list(FLUX.rotary)})}
    save_file(small_flux(original_layout=False).state_dict(), tmp_path / "flux.safetensors", facts)
    save_file(control_lora(), folder / "control.safetensors")
    settings = ModelSettings(device="cpu", dtype="fp32")
    formats = list(register_patch_formats())
    context.models = ModelManager(Library([tmp_path]), [FluxFamily()], formats, CpuDevice(), settings)
    found = {"control.safetensors": folder / "control.safetensors"}
    context.folders = type("Folders", (), {"find": lambda self, kind, name: found[name]})()  # type: ignore[assignment]
    return context


def model(context: LoneContext, tmp_path: Path) -> ModelHandle:
    found: ModelHandle = context.models.open(tmp_path / "flux.safetensors")["denoiser"]
    return found


def wide_flux(strength: float) -> Any:
    """What the LoRA makes of the model, as a model of its own."""
    base, lora = small_flux(original_layout=False).state_dict(), control_lora()
    wide = small_flux(original_layout=False, in_channels=32)
    first = torch.nn.functional.pad(base["x_embedder.weight"], (0, WIDE - base["x_embedder.weight"].shape[1]))
    block, qkv = "transformer_blocks.0.attn", "double_blocks.0.img_attn.qkv"
    rows = (lora[f"{qkv}.lora_B.weight"] @ lora[f"{qkv}.lora_A.weight"]).chunk(3)
    changed = {
        **base,
        "x_embedder.weight": first + strength * lora["img_in.lora_B.weight"] @ lora["img_in.lora_A.weight"],
        "x_embedder.bias": base["x_embedder.bias"] + strength * lora["img_in.lora_B.bias"],
        f"{block}.norm_k.weight": lora["double_blocks.0.img_attn.norm.key_norm.scale"],
    }
    for name, row in zip("qkv", rows, strict=True):
        changed[f"{block}.to_{name}.weight"] = base[f"{block}.to_{name}.weight"] + strength * row
    wide.load_state_dict(changed)
    return wide


def run(context: LoneContext, handle: ModelHandle, given: dict[str, Tensor]) -> Tensor:
    more = handle.adapter.inputs({"concat_latent_image": IMAGE, "guidance": None}, given["x"], None)
    with context.models.borrow(handle) as module:
        output: Tensor = handle.adapter.forward(module, **{**given, **more, "vector": given["vector"]})
    return output


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_a_model_with_such_a_lora_takes_an_image_beside_the_latent(
    context: LoneContext, tmp_path: Path, strength: float
) -> None:
    given, base = inputs(), model(context, tmp_path)
    handle = lora_loader_model_only(base, "control.safetensors", context, strength)
    assert (base.adapter.in_channels, handle.adapter.in_channels) == (16, 32)
    assert context.said == []
    image = handle.adapter.inputs({"concat_latent_image": IMAGE}, given["x"], None)["concat"]
    plain = flux_denoiser(32, FLUX.pooled_channels, guidance=True)
    expected = plain.forward(wide_flux(strength), **given, concat=image)
    torch.testing.assert_close(run(context, handle, given), expected, rtol=0, atol=1e-5)
    assert run(context, base, given).shape == given["x"].shape


def test_two_such_loras_add_up_and_both_are_undone(context: LoneContext, tmp_path: Path) -> None:
    given, base = inputs(), model(context, tmp_path)
    before = run(context, base, given)
    half = lora_loader_model_only(base, "control.safetensors", context, 0.5)
    twice = lora_loader_model_only(half, "control.safetensors", context, 0.5)
    assert twice.adapter.in_channels == 32
    once = lora_loader_model_only(base, "control.safetensors", context, 1.0)
    torch.testing.assert_close(run(context, twice, given), run(context, once, given), rtol=0, atol=1e-5)
    assert torch.equal(run(context, base, given), before)


def test_a_widened_model_is_saved_with_its_further_inputs(context: LoneContext, tmp_path: Path) -> None:
    facts = {CONFIG_METADATA: json.dumps({"flux.rotary": list(FLUX.rotary)})}
    save_file(flux_in_original_layout(), tmp_path / "original.safetensors", facts)
    base = context.models.open(tmp_path / "original.safetensors")["denoiser"]
    handle = lora_loader_model_only(base, "control.safetensors", context, 0.5)
    context.folders = context_in(tmp_path).folders
    shown = model_save(context, handle).ui["models"][0]
    again = context.models.open(tmp_path / "output" / shown["subfolder"] / shown["filename"])["denoiser"]
    assert again.adapter.in_channels == 32
    given = inputs()
    torch.testing.assert_close(run(context, again, given), run(context, handle, given), rtol=0, atol=1e-5)


def test_a_lora_for_the_latent_alone_fits_a_model_that_takes_an_image_beside_it(
    context: LoneContext, tmp_path: Path
) -> None:
    base = small_flux(original_layout=False, in_channels=32).state_dict()
    save_file(base, tmp_path / "wide.safetensors", {CONFIG_METADATA: json.dumps({"flux.rotary": list(FLUX.rotary)})})
    lora = {key: tensor for key, tensor in control_lora().items() if key.startswith("img_in.lora_")}
    lora["img_in.lora_A.weight"] = lora["img_in.lora_A.weight"][:, : WIDE // 2].contiguous()
    save_file(lora, tmp_path / "models" / "loras" / "control.safetensors")
    wide = context.models.open(tmp_path / "wide.safetensors")["denoiser"]

    handle = lora_loader_model_only(wide, "control.safetensors", context, 0.5)
    assert handle.adapter.in_channels == 32
    changed = context.models.weights(handle)["x_embedder.weight"]
    expected = base["x_embedder.weight"].clone()
    expected[:, : WIDE // 2] += 0.5 * lora["img_in.lora_B.weight"] @ lora["img_in.lora_A.weight"]
    torch.testing.assert_close(changed, expected, rtol=0, atol=1e-6)
    assert torch.equal(changed[:, WIDE // 2 :], base["x_embedder.weight"][:, WIDE // 2 :])
