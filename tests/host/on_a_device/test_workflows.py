"""What nodes do to a run, on the device: the pictures are those of the CPU, and a step waits for nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from host.builtin_nodes.conditioning.areas import (
    conditioning_set_area,
    conditioning_set_area_percentage,
    conditioning_set_mask,
    conditioning_set_timestep_range,
)
from host.builtin_nodes.latents.previews import choose_previewer
from host.builtin_nodes.lora.nodes import lora_loader
from host.builtin_nodes.vae.nodes import vae_decode, vae_decode_tiled, vae_encode, vae_encode_tiled
from host.models.residency.devices import CpuDevice, CudaDevice
from sdk import ModelHandle
from sdk.previews import LatentPreview
from tests.goldens.runners.family_models import tiny_model
from tests.goldens.runners.mmdit import tiny_transformer
from tests.goldens.runners.nodes import product_nodes
from tests.host.on_a_device.tiny_models import BATCH, CELLS, OnDevice, on_device
from tests.support.pretend_cuda.chip import Chip

CLOSE = 1e-4
"""Of the largest number: attention and convolutions are computed in another order than on the CPU."""

FURTHER = {
    "LatentApplyOperationCFG": {"operation": ("LatentOperationSharpen", {"sharpen_radius": 2})},
    "TomePatchModel": {"ratio": 0.5},
    "PatchModelAddDownscale": {"block_number": 1, "downscale_method": "bicubic", "upscale_method": "bicubic"},
    "ModelSamplingDiscrete": {"sampling": "lcm"},
    "ModelSamplingContinuousEDM": {"sampling": "v_prediction"},
}
"""Inputs of nodes that have no default, or none that changes anything here."""

UNET_NODES: dict[str, Sequence[str]] = {
    "formulas": ("CFGNorm", "APG", "FreSca", "TCFG", "RenormCFG", "LatentApplyOperationCFG", "VideoLinearCFGGuidance"),
    "another formula": ("Mahiro", "CFGZeroStar", "Epsilon Scaling", "RescaleCFG"),
    "a prompt of its own": ("PerpNeg",),
    "further evaluations": ("PerturbedAttentionGuidance", "SelfAttentionGuidance"),
    "inside the network": ("FreeU_V2", "HyperTile", "UNetCrossAttentionMultiply"),
    "fewer cells": ("PatchModelAddDownscale",),
    "merged tokens": ("TomePatchModel", "FreeU"),
    "consistency": ("ModelSamplingDiscrete",),
    "continuous levels": ("ModelSamplingContinuousEDM",),
}

TRANSFORMER_NODES: dict[str, Sequence[str]] = {
    "skipped layers": ("SkipLayerGuidanceSD3", "SkipLayerGuidanceDiT"),
    "another shift": ("ModelSamplingSD3", "ModelSamplingFlux"),
}


@pytest.fixture(scope="module")
def unet(chip: Chip, goldens: Path, folder: Path) -> tuple[OnDevice, OnDevice]:
    """A UNet's checkpoint on the device, and on the CPU."""
    return _both(tiny_model(goldens / "sd1", folder, CpuDevice()).path, goldens / "sd1" / "sample_img2img.safetensors")


@pytest.fixture(scope="module")
def transformer(chip: Chip, goldens: Path, folder: Path) -> tuple[OnDevice, OnDevice]:
    """Likewise, of a transformer."""
    checkpoint = tiny_transformer(goldens / "sd3", folder, CpuDevice()).path
    return _both(checkpoint, goldens / "sd3" / "sample_noise_mask.safetensors")


def _both(checkpoint: Path, case: Path) -> tuple[OnDevice, OnDevice]:
    return on_device(checkpoint, case, CudaDevice(0)), on_device(checkpoint, case, CpuDevice())


def _close(found: Tensor, expected: Tensor) -> None:
    assert found.device.type == "cpu"
    assert expected.isfinite().all()
    torch.testing.assert_close(found, expected, rtol=0, atol=CLOSE * float(expected.abs().max()))


def _with(models: OnDevice, names: Sequence[str]) -> ModelHandle:
    """The denoiser after nodes, whose inputs are their defaults."""
    handle = models.parts["denoiser"]
    for name in names:
        node = product_nodes()[name]
        inputs = {each.name: each.options["default"] for each in node.inputs if "default" in each.options}
        inputs |= {each.name: models.negative for each in node.inputs if each.type == "CONDITIONING"}
        inputs |= {key: _made(value, models) for key, value in FURTHER.get(name, {}).items()}
        handle = node.run(None, {**inputs, "model": handle}, models.context).outputs[0]
    return handle


def _made(value: Any, models: OnDevice) -> Any:
    """An input that is a value, or what a node with these inputs gives."""
    if not isinstance(value, tuple):
        return value
    node = product_nodes()[value[0]]
    inputs = {each.name: each.options["default"] for each in node.inputs if "default" in each.options}
    return node.run(None, {**inputs, **value[1]}, models.context).outputs[0]


@pytest.mark.parametrize("names", UNET_NODES.values(), ids=list(UNET_NODES))
def test_nodes_change_a_unet_alike_on_both(unet: tuple[OnDevice, OnDevice], names: Sequence[str]) -> None:
    found, expected = (models.sampled(_with(models, names)) for models in unet)
    _close(found, expected)


@pytest.mark.parametrize("names", TRANSFORMER_NODES.values(), ids=list(TRANSFORMER_NODES))
def test_nodes_change_a_transformer_alike_on_both(transformer: tuple[OnDevice, OnDevice], names: Sequence[str]) -> None:
    found, expected = (models.sampled(_with(models, names)) for models in transformer)
    _close(found, expected)


def _regional(prompt: Any) -> Any:
    mask = torch.zeros(1, 8 * CELLS, 8 * CELLS)
    mask[:, :20, 8:40] = 1.0
    return [
        *conditioning_set_area(prompt, 32, 32, 16, 8, 0.8),
        *conditioning_set_area_percentage(prompt, 0.5, 0.5, 0.5, 0.25, 1.0),
        *conditioning_set_mask(conditioning=prompt, mask=mask, strength=0.7, set_cond_area="mask bounds"),
        *conditioning_set_mask(conditioning=prompt, mask=mask, strength=0.7, set_cond_area="default"),
        *conditioning_set_timestep_range(prompt, 0.0, 0.6),
        [prompt[0][0], {**prompt[0][1], "default": True}],
    ]


def test_regions_masks_and_ranges_are_those_of_the_cpu(unet: tuple[OnDevice, OnDevice]) -> None:
    samples, mask = torch.ones(BATCH, 4, CELLS, CELLS), torch.linspace(0, 1, 64 * 64).reshape(1, 64, 64)
    latent = {"samples": samples, "noise_mask": mask}
    found, expected = (
        models.sampled(
            _with(models, ("DifferentialDiffusion",)), positive=_regional(models.positive), latent_image=latent
        )
        for models in unet
    )
    _close(found, expected)


@pytest.mark.parametrize("sampler", ["euler_ancestral", "dpmpp_2m_sde", "uni_pc"])
def test_a_further_step_waits_for_nothing(
    chip: Chip, unet: tuple[OnDevice, OnDevice], transformer: tuple[OnDevice, OnDevice], sampler: str
) -> None:
    for models in (unet[0], transformer[0]):
        models.sampled(steps=2)  # brings the weights
        waited = []
        for steps in (2, 4):
            chip.waits.clear()
            models.sampled(steps=steps, sampler_name=sampler)
            waited.append(chip.waits.total())
        assert waited[0] == waited[1], chip.waits


@pytest.mark.parametrize(
    "through",
    [
        lambda vae, context: vae_decode({"samples": _noise(BATCH, 4, CELLS, CELLS)}, vae, context),
        lambda vae, context: vae_decode_tiled({"samples": _noise(1, 4, 20, 12)}, vae, context, 64, 16),
        lambda vae, context: vae_encode(_noise(BATCH, 68, 51, 3).sigmoid(), vae, context)["samples"],
        lambda vae, context: vae_encode_tiled(_noise(1, 96, 80, 3).sigmoid(), vae, context, 64, 16)["samples"],
    ],
    ids=["decode", "decode in tiles", "encode", "encode in tiles"],
)
@torch.no_grad()
def test_pictures_and_latents_become_each_other(
    unet: tuple[OnDevice, OnDevice], through: Callable[[ModelHandle, Any], Tensor]
) -> None:
    found, expected = (through(models.parts["vae"], models.context) for models in unet)
    _close(found, expected)


def _noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(4))


def test_a_lora_changes_weights_on_the_device(unet: tuple[OnDevice, OnDevice], folder: Path) -> None:
    target = "input_blocks_1_1_transformer_blocks_0_attn1_to_q"
    with safe_open(folder / "sd1.safetensors", "pt") as file:
        key = next(key for key in file.keys() if key.replace(".", "_").endswith(f"{target}_weight"))  # noqa: SIM118
        rows, columns = file.get_slice(key).get_shape()
    loras = folder / "models" / "loras"
    loras.mkdir(parents=True)
    halves = {"lora_down": _noise(2, columns), "lora_up": _noise(rows, 2)}
    save_file({f"lora_unet_{target}.{half}.weight": value for half, value in halves.items()}, loras / "a.safetensors")
    patched = [lora_loader(models.parts["denoiser"], None, "a.safetensors", models.context)[0] for models in unet]
    found, expected = (models.sampled(handle) for models, handle in zip(unet, patched, strict=True))
    _close(found, expected)
    assert not torch.equal(found, unet[0].sampled())
    assert torch.equal(unet[0].sampled(), unet[0].sampled()), "the patch came off again"


def test_previews_of_a_run_on_the_device_are_pictures(chip: Chip, unet: tuple[OnDevice, OnDevice]) -> None:
    shown: list[Image.Image] = []
    for models in unet:
        handle = models.parts["denoiser"]
        previewer = choose_previewer("latent2rgb", handle, models.manager, models.context.folders)
        assert previewer is not None
        latent = _noise(1, 4, CELLS, CELLS).to(models.manager.device(handle))
        shown.append(previewer(LatentPreview(latent, handle).latent))
    assert shown[0].size == (CELLS, CELLS)
    assert shown[0].tobytes() == shown[1].tobytes()
