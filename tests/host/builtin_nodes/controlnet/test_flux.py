"""Control networks for Flux, against diffusers' own modules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.controlnet.control import Control
from host.builtin_nodes.controlnet.errors import NoSuchControlType, UnsupportedControl
from host.builtin_nodes.controlnet.flux.config import HINT_LAYERS
from host.builtin_nodes.controlnet.interface import ControlCall
from host.builtin_nodes.controlnet.live import Controls
from host.builtin_nodes.controlnet.residuals import DOUBLE, SINGLE, ControlResiduals
from host.builtin_nodes.controlnet.transformer_families import FluxControlNetFamily
from host.builtin_nodes.families.flux.config import layer_table
from host.builtin_nodes.families.flux.denoiser import flux_denoiser
from host.builtin_nodes.families.flux.tokens import cells_of, positions, tokens
from host.builtin_nodes.sampling.parametrisation import flux as flux_levels
from host.builtin_nodes.sampling.patches import NetworkPatches, PatchCall, PatchedCall
from sdk import Header, Refusal, TensorInfo
from tests.host.builtin_nodes.controlnet.transformer_networks import flux_network, opened
from tests.host.builtin_nodes.families.mmdit.small_transformers import FLUX, inputs, small_flux

TOLERANCE = {"rtol": 0, "atol": 1e-5}
HINT = torch.randn(1, 16, 4, 6, generator=torch.Generator().manual_seed(3))
PICTURE = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(3))
PICTURES = {"conditioning_embedding_channels": 16, "patch_size": 2, "num_single_layers": 0}
SHAPES = {"double_blocks": 3, "single_blocks": 4}
GUIDED = {"guidance": torch.tensor([3.5])}


def call(given: Mapping[str, Tensor], model: Any, **options: Any) -> ControlCall:
    vectors = {"vector": given["vector"], **{key: given[key] for key in GUIDED if key in given}}
    return ControlCall(
        x=given["x"],
        timestep=given["timestep"],
        context=given["context"],
        inputs=vectors,
        options=options,
        model=model,
    )


def residuals(tensors: Mapping[str, Tensor], folder: Path, hint: Tensor, asked: ControlCall) -> ControlResiduals:
    manager, handle = opened(tensors, folder)
    with manager.borrow(handle) as module:
        found: ControlResiduals = handle.adapter.residuals(module, handle.adapter.prepare(module, hint), asked)
    return found


def arguments(given: Mapping[str, Tensor]) -> dict[str, Any]:
    """What diffusers' transformer and its control networks both take."""
    height, width = given["x"].shape[-2:]
    return {
        "hidden_states": tokens(given["x"]),
        "encoder_hidden_states": given["context"],
        "pooled_projections": given["vector"],
        "timestep": given["timestep"],
        "img_ids": positions(height // 2, width // 2, torch.device("cpu")),
        "txt_ids": torch.zeros(given["context"].shape[1], 3),
        "guidance": given.get("guidance"),
        "return_dict": False,
    }


def steered(model: Any, given: Mapping[str, Tensor], found: Any, *, repeated: bool = False) -> Tensor:
    """What diffusers' transformer makes of residuals that diffusers' network gave."""
    double, single = found
    output = model(
        **arguments(given),
        controlnet_block_samples=double,
        controlnet_single_block_samples=single,
        controlnet_blocks_repeat=repeated,
    )[0]
    return cells_of(output, *given["x"].shape[-2:])


def ours(model: Any, given: Mapping[str, Any], found: ControlResiduals | None) -> Tensor:
    adapter = flux_denoiser(16, FLUX.pooled_channels, guidance=True)
    return adapter.forward(model, **given, control=found)


@pytest.mark.parametrize(("double", "single"), [(1, 0), (2, 1), (3, 3), (2, 4)])
def test_a_network_on_latents_steers_as_diffusers_has_it(double: int, single: int, tmp_path: Path) -> None:
    model, network = small_flux(**SHAPES), flux_network(num_layers=double, num_single_layers=single)
    given = {**inputs(batch=2), **GUIDED}
    expected = network(controlnet_cond=tokens(HINT), **arguments(given))
    found = residuals(network.state_dict(), tmp_path, HINT, call(given, model))
    torch.testing.assert_close(ours(model, given, found), steered(model, given, expected), **TOLERANCE)
    assert not torch.allclose(ours(model, given, found), ours(model, given, None))


@pytest.mark.parametrize("guided", [True, False])
def test_networks_with_and_without_guidance_go_with_either_kind_of_model(guided: bool, tmp_path: Path) -> None:
    network, model = flux_network(guidance_embeds=guided), small_flux()
    for more in ({}, GUIDED):
        given = {**inputs(), **more}
        found = residuals(network.state_dict(), tmp_path, HINT, call(given, model))
        assert len(found.of(DOUBLE)) == len(found.of(SINGLE)) == 2


def test_a_network_for_several_kinds_of_hints_is_told_which_it_gets(tmp_path: Path) -> None:
    network, model, given = flux_network(num_mode=7), small_flux(), {**inputs(batch=2), **GUIDED}
    found = residuals(network.state_dict(), tmp_path, HINT, call(given, model, control_type=[3]))
    expected = network(controlnet_cond=tokens(HINT), controlnet_mode=torch.tensor([[3], [3]]), **arguments(given))
    torch.testing.assert_close(ours(model, given, found), steered(model, given, expected), **TOLERANCE)


def test_a_network_for_several_kinds_of_hints_runs_untold_as_one_for_a_single_kind(tmp_path: Path) -> None:
    network, model, given = flux_network(num_mode=7), small_flux(), {**inputs(batch=2), **GUIDED}
    kept = {key: value for key, value in network.state_dict().items() if "mode" not in key}
    untold, single = (residuals(each, tmp_path, HINT, call(given, model)) for each in (network.state_dict(), kept))
    assert all(torch.equal(one, other) for one, other in zip(untold.of(DOUBLE), single.of(DOUBLE), strict=True))
    with pytest.raises(NoSuchControlType, match="knows 7 kinds"):
        residuals(network.state_dict(), tmp_path, HINT, call(given, model, control_type=[7]))


def original(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A network on pictures as its makers store it."""
    hints = {f"input_hint_block.{number}": (f"input_hint_block.{name}",) for number, name in HINT_LAYERS.items()}
    layers = {**layer_table(FLUX).layers, "pos_embed_input": ("controlnet_x_embedder",), **hints}
    stored: dict[str, Tensor] = {}
    for theirs, parts in layers.items():
        for kind in ("weight", "bias"):
            rows = [tensors[f"{part}.{kind}"] for part in parts if f"{part}.{kind}" in tensors]
            if rows:
                stored[f"{theirs}.{'scale' if '_norm' in theirs else kind}"] = torch.cat(rows)
    return stored | {key: value for key, value in tensors.items() if key.startswith("controlnet_blocks")}


@pytest.mark.parametrize("layout", [dict, original])
def test_a_network_on_pictures_repeats_its_blocks_in_turn(layout: Any, tmp_path: Path) -> None:
    model, network = small_flux(**SHAPES), flux_network(**PICTURES)
    given = {**inputs(batch=2), **GUIDED}
    expected = network(controlnet_cond=PICTURE * 2 - 1, **arguments(given))
    found = residuals(layout(network.state_dict()), tmp_path, PICTURE, call(given, model))
    torch.testing.assert_close(ours(model, given, found), steered(model, given, expected, repeated=True), **TOLERANCE)


def test_pictures_are_of_whole_tokens_and_latents_wrap_around(tmp_path: Path) -> None:
    _, pictures = opened(flux_network(**PICTURES).state_dict(), tmp_path)
    assert pictures.adapter.latent_format is None
    assert pictures.adapter.hint_size(3, 6) == (32, 48)
    manager, latents = opened(flux_network().state_dict(), tmp_path)
    assert latents.adapter.hint_size(3, 6) == (24, 48)
    with manager.borrow(latents) as module:
        assert latents.adapter.prepare(module, HINT[..., :3, :5]).shape == (1, 6, 64)


def test_a_network_for_holes_takes_a_mask(tmp_path: Path) -> None:
    network = flux_network()
    network.controlnet_x_embedder = torch.nn.Linear(17 * 4, FLUX.hidden)
    manager, handle = opened(network.state_dict(), tmp_path)
    assert handle.adapter.takes_mask
    with manager.borrow(handle) as module:
        assert handle.adapter.prepare(module, torch.ones(1, 17, 4, 6)).shape == (1, 6, 68)


def test_networks_of_different_depths_add_up_in_a_chain(tmp_path: Path) -> None:
    model, given = small_flux(**SHAPES), {**inputs(), **GUIDED}
    networks = [flux_network(num_layers=1, num_single_layers=0), flux_network(**PICTURES)]
    known, each = [], []
    for number, (network, hint) in enumerate(zip(networks, (HINT, PICTURE), strict=True)):
        folder = tmp_path / str(number)
        folder.mkdir()
        each.append(residuals(network.state_dict(), folder, hint, call(given, model)).scaled(0.5))
        known.append(opened(network.state_dict(), folder))

    def borrow(handle: Any) -> Any:
        manager = next((manager for manager, network in known if network.key == handle.key), None)
        if manager is None:
            return None
        with manager.borrow(handle) as module:
            return module

    vae = replace(known[0][1], key="vae", adapter=Encoder())
    first = Control(network=known[0][1], hint=PICTURE, strength=0.5, vae=vae)
    second = Control(network=known[1][1], hint=PICTURE, strength=0.5, previous=first)
    vectors = {"vector": given["vector"], **GUIDED}
    asked: dict[str, Any] = {"sigma": 0.5, "sides": 1, "inputs": vectors, "model": model}
    live = Controls(borrow, flux_levels()).live(second)
    both = live.residuals(given["x"], given["timestep"], given["context"], **asked)
    expected = ours(model, given, each[0] + each[1])
    torch.testing.assert_close(ours(model, given, both), expected, **TOLERANCE)


class Encoder:
    """An autoencoder that makes ``HINT`` of everything, in its own space."""

    def encode(self, module: Any, pixels: Tensor) -> Tensor:
        return HINT / 0.3611 + 0.1159


def test_what_is_added_after_a_block_stays_where_a_patch_skips_the_block() -> None:
    model, given = small_flux(), inputs()
    patches = PatchedCall(
        patches=NetworkPatches(skipped=frozenset({("double_block", 1)})),
        call=PatchCall(sigma=1.0, shape=(1, 16, 4, 6), sides=("positive",)),
    )
    added = torch.randn(1, 6, FLUX.hidden)
    adapter, blocks = flux_denoiser(16, 6, guidance=True), list(model.transformer_blocks)
    at_skipped = adapter.forward(model, **given, patches=patches, control=ControlResiduals({DOUBLE: [None, added]}))
    before_it = adapter.forward(model, **given, patches=patches, control=ControlResiduals({DOUBLE: [added]}))
    torch.testing.assert_close(at_skipped, before_it)
    assert list(model.transformer_blocks) == blocks


def test_models_of_other_sizes_are_refused(tmp_path: Path) -> None:
    given, network = inputs(), flux_network()
    with pytest.raises(UnsupportedControl, match="tokens of 64 channels"):
        residuals(network.state_dict(), tmp_path, HINT, call(given, small_flux(hidden=64, heads=4)))
    with pytest.raises(UnsupportedControl, match="without tokens"):
        residuals(network.state_dict(), tmp_path, HINT, call(given, torch.nn.Linear(1, 1)))


def test_networks_of_kinds_that_are_not_known_are_refused_with_the_reason() -> None:
    infos = {key: TensorInfo("F32", tuple(value.shape)) for key, value in flux_network().state_dict().items()}
    for given, reason in (
        ({}, "no control network"),
        ({"controlnet_blocks.0.linear.weight": TensorInfo("F32", (1,))}, "MistoLine"),
        ({**infos, "controlnet_x_embedder.weight": TensorInfo("F32", (32, 80))}, "80 numbers"),
    ):
        answer = FluxControlNetFamily().identify(
            Header(Path("x"), given, {"comfy_nodes.config": '{"flux.rotary": [4, 6, 6]}'})
        )
        assert isinstance(answer, Refusal)
        assert reason in answer.reason
