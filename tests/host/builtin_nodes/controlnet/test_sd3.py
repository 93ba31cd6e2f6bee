"""Control networks for Stable Diffusion 3, against diffusers' own modules."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.controlnet.errors import MissingMask, UnsupportedControl, WrongVae
from host.builtin_nodes.controlnet.interface import ControlCall
from host.builtin_nodes.controlnet.residuals import DOUBLE, SINGLE, SKIP, ControlResiduals
from host.builtin_nodes.controlnet.transformer_families import Sd3ControlNetFamily
from host.builtin_nodes.families.mmdit.wrapping import wrapped
from host.builtin_nodes.families.sd3.denoiser import sd3_denoiser
from sdk import Header, NodeError, Refusal, TensorInfo
from tests.host.builtin_nodes.controlnet.transformer_networks import opened, sd3_network
from tests.host.builtin_nodes.families.mmdit.small_transformers import SD3, inputs, small_sd3

TOLERANCE = {"rtol": 0, "atol": 1e-5}
ALONE = {"joint_attention_dim": None, "use_pos_embed": False, "qk_norm": None}
HINT = torch.randn(1, 16, 4, 6, generator=torch.Generator().manual_seed(3))


def call(given: Mapping[str, Tensor], model: Any) -> ControlCall:
    return ControlCall(
        x=given["x"],
        timestep=given["timestep"],
        context=given["context"],
        inputs={"vector": given["vector"]},
        model=model,
    )


def residuals(tensors: Mapping[str, Tensor], folder: Path, hint: Tensor, asked: ControlCall) -> list[Any]:
    manager, handle = opened(tensors, folder)
    with manager.borrow(handle) as module:
        prepared = handle.adapter.prepare(module, hint)
        return list(handle.adapter.residuals(module, prepared, asked).of(DOUBLE))


def steered(model: Any, given: Mapping[str, Tensor], added: Any) -> Tensor:
    """What diffusers' transformer makes of residuals that diffusers' network gave."""
    output: Tensor = model(
        given["x"],
        encoder_hidden_states=given["context"],
        pooled_projections=given["vector"],
        timestep=given["timestep"],
        block_controlnet_hidden_states=added,
        return_dict=False,
    )[0]
    return output


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_a_network_of_joint_blocks_steers_as_diffusers_has_it(layers: int, tmp_path: Path) -> None:
    model, network, given = small_sd3(), sd3_network(num_layers=layers), inputs(batch=2)
    asked = call(given, model)
    # As diffusers' pipeline has it, such networks get no pooled text.
    expected = network(
        given["x"],
        controlnet_cond=HINT,
        encoder_hidden_states=given["context"],
        pooled_projections=torch.zeros_like(given["vector"]),
        timestep=given["timestep"],
        return_dict=False,
    )[0]
    found = residuals(network.state_dict(), tmp_path, HINT, asked)
    assert len(found) == SD3.blocks
    assert found[-1] is None

    adapter = sd3_denoiser(16, SD3.pooled_channels, SD3.positions, SD3.patch)
    manager, handle = opened(network.state_dict(), tmp_path)
    with manager.borrow(handle) as module:
        control = handle.adapter.residuals(module, handle.adapter.prepare(module, HINT), asked)
    output = adapter.forward(model, **given, control=control)
    torch.testing.assert_close(output, steered(model, given, expected), **TOLERANCE)
    assert not torch.allclose(output, adapter.forward(model, **given))


def fused(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A network of image tokens as its makers store it."""
    renamed = {
        "norm1.linear": "adaLN_modulation.1",
        "attn.to_out.0": "attn.proj",
        "ff.net.0.proj": "mlp.fc1",
        "ff.net.2": "mlp.fc2",
    }
    stored: dict[str, Tensor] = {}
    for key, value in tensors.items():
        for ours, theirs in renamed.items():
            key = key.replace(ours, theirs)
        if ".to_k." in key or ".to_v." in key:
            continue
        if ".to_q." in key:
            value = torch.cat([tensors[key.replace("to_q", f"to_{kind}")] for kind in "qkv"])
            key = key.replace("to_q", "qkv")
        stored[key] = value
    return stored


@pytest.mark.parametrize("layout", [dict, fused])
def test_a_network_of_image_tokens_takes_them_from_the_model(layout: Any, tmp_path: Path) -> None:
    model, network, given = small_sd3(), sd3_network(num_layers=2, **ALONE), inputs(batch=2)
    expected = network(
        model.pos_embed(given["x"]),
        controlnet_cond=HINT,
        pooled_projections=given["vector"],
        timestep=given["timestep"],
        return_dict=False,
    )[0]
    found = residuals(layout(network.state_dict()), tmp_path, HINT, call(given, model))
    assert len(found) == SD3.blocks
    for number, place in enumerate((0, 0, 1)):
        torch.testing.assert_close(found[number], expected[place], **TOLERANCE)


@pytest.mark.parametrize(("kind", "expected"), [(0.0, 0.25), (1.0, (0.25 * 127.5 + 1.5) / 2), (2.0, 0.75)])
def test_pictures_are_shown_as_the_network_was_trained_with_them(kind: float, expected: float, tmp_path: Path) -> None:
    tensors = {**fused(sd3_network(**ALONE).state_dict()), "control_type": torch.tensor(kind)}
    _, handle = opened(tensors, tmp_path)
    assert handle.adapter.picture(torch.full((1, 3, 2, 2), 0.25)).unique().tolist() == [expected]


def test_sides_that_are_no_multiple_of_a_patch_wrap_around(tmp_path: Path) -> None:
    model, network, given = small_sd3(), sd3_network(), inputs(3, 5)
    whole = {**given, "x": wrapped(given["x"], 2)}
    cut = HINT[..., :3, :5]
    odd = residuals(network.state_dict(), tmp_path, cut, call(given, model))
    even = residuals(network.state_dict(), tmp_path, wrapped(cut, 2), call(whole, model))
    assert all(torch.equal(one, other) for one, other in zip(odd[:-1], even[:-1], strict=True))


def test_hints_are_latents_without_the_model_s_shift_only_for_joint_blocks(tmp_path: Path) -> None:
    _, joint = opened(sd3_network().state_dict(), tmp_path)
    assert (joint.adapter.latent_format.scale, joint.adapter.latent_format.shift) == (1.5305, 0.0)
    _, alone = opened(sd3_network(**ALONE).state_dict(), tmp_path)
    assert alone.adapter.latent_format.shift == 0.0609
    assert joint.adapter.hint_size(4, 6) == (32, 48)


def test_a_network_for_holes_takes_a_mask_and_misses_it(tmp_path: Path) -> None:
    manager, handle = opened(sd3_network(extra_conditioning_channels=1).state_dict(), tmp_path)
    assert handle.adapter.takes_mask
    with manager.borrow(handle) as module:
        assert handle.adapter.prepare(module, torch.ones(1, 17, 4, 6)).shape == (1, 17, 4, 6)
        with pytest.raises(MissingMask, match="ControlNetInpaintingAliMamaApply"):
            handle.adapter.prepare(module, HINT)
        with pytest.raises(WrongVae, match="latents of 4 channels, the control network looks at 16"):
            handle.adapter.prepare(module, HINT[:, :4])


def test_models_of_other_kinds_and_sizes_are_refused(tmp_path: Path) -> None:
    given, network = inputs(), sd3_network()
    with pytest.raises(UnsupportedControl, match="tokens of 16 channels"):
        residuals(network.state_dict(), tmp_path, HINT, call(given, small_sd3(hidden=16)))
    wide = call({**given, "context": torch.zeros(1, 5, 13)}, small_sd3())
    with pytest.raises(UnsupportedControl, match="a context of 13"):
        residuals(network.state_dict(), tmp_path, HINT, wide)


def test_a_latent_larger_than_the_model_s_positions_is_refused(tmp_path: Path) -> None:
    given = inputs(8, 10)
    with pytest.raises(NodeError, match="at most 8x8"):
        residuals(sd3_network(**ALONE).state_dict(), tmp_path, HINT, call(given, small_sd3()))


def test_residuals_for_places_that_a_transformer_lacks_are_refused() -> None:
    adapter = sd3_denoiser(16, SD3.pooled_channels, SD3.positions, SD3.patch)
    for kind in (SKIP, SINGLE):
        with pytest.raises(UnsupportedControl, match=kind):
            adapter.forward(small_sd3(), **inputs(), control=ControlResiduals({kind: [torch.zeros(1, 6, 32)]}))


def header(tensors: Mapping[str, Tensor], **more: tuple[int, ...]) -> Header:
    infos = {key: TensorInfo("F32", tuple(value.shape)) for key, value in tensors.items()}
    return Header(Path("x"), {**infos, **{key: TensorInfo("F32", shape) for key, shape in more.items()}}, {})


def test_networks_that_cannot_be_run_are_refused_with_the_reason() -> None:
    family, tensors = Sd3ControlNetFamily(), sd3_network(**ALONE).state_dict()
    square = {**tensors, "time_text_embed.text_embedder.linear_1.weight": torch.zeros(32, 32)}
    for given, reason in (
        ({}, "no control network"),
        (square, "pooled text as the model embeds it"),
        ({**tensors, "pos_embed_input.proj.weight": torch.zeros(32, 20, 2, 2)}, "hints have 20 channels"),
    ):
        answer = family.identify(header(given))
        assert isinstance(answer, Refusal)
        assert reason in answer.reason
