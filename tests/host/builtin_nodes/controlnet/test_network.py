from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import ControlNetModel, ControlNetUnionModel
from torch import Tensor, nn

from host.builtin_nodes.controlnet.errors import NoSuchControlType, UnsupportedControl
from host.builtin_nodes.controlnet.interface import ControlCall
from host.builtin_nodes.controlnet.network_adapter import ControlNetAdapter
from host.builtin_nodes.controlnet.network_config import ControlNetConfig, control_net_names, find_control_net
from host.builtin_nodes.controlnet.network_module import build_control_net
from host.builtin_nodes.controlnet.plugin import ControlNetFamily
from host.builtin_nodes.controlnet.residuals import MIDDLE, SKIP
from host.builtin_nodes.families.ldm_unet.original import original_paths
from host.builtin_nodes.families.refusals import LayoutError
from sdk import CONFIG_METADATA, Header, Refusal, TensorInfo
from tests.host.builtin_nodes.controlnet.original_layout import original_key

WIDTHS, HEADS = (32, 32, 64, 64), 4
CALL = ControlCall(x=torch.ones(2, 4, 8, 8), timestep=torch.tensor([5.0, 5.0]), context=torch.ones(2, 3, 16))
HINT = torch.linspace(0, 1, 3 * 64 * 64).reshape(1, 3, 64, 64)
TELLING = ("control_add_embedding.", "spatial_ch_projs.", "task_embedding", "transformer_layes.")


def network(kind: Any = ControlNetModel, **options: Any) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = kind(
            block_out_channels=WIDTHS,
            attention_head_dim=HEADS,
            cross_attention_dim=16,
            conditioning_embedding_out_channels=(8, 16, 24, 32),
            **options,
        )
        for parameter in module.parameters():
            # What begins at zero would hide what is added.
            if not torch.count_nonzero(parameter):
                nn.init.normal_(parameter, std=0.1)
    return module.eval().requires_grad_(False)


def header(module: nn.Module, name: str = "net.safetensors", **facts: Any) -> Header:
    tensors = {key: TensorInfo("F32", tuple(value.shape)) for key, value in module.state_dict().items()}
    return Header(Path(name), tensors, {CONFIG_METADATA: json.dumps({"unet.heads": HEADS, **facts})})


def rebuilt(module: nn.Module, name: str = "net.safetensors") -> tuple[ControlNetConfig, Any]:
    config = find_control_net(header(module, name)).network
    again = build_control_net(config)
    again.load_state_dict(module.state_dict())
    return config, again


def residuals(
    module: nn.Module,
    name: str = "net.safetensors",
    call: ControlCall = CALL,
    hint: Tensor = HINT,
    *,
    dtype: Any = torch.float32,
) -> list[Tensor]:
    config, again = rebuilt(module, name)
    again.to(dtype)
    adapter = ControlNetAdapter(config)
    found = adapter.residuals(again, adapter.prepare(again, hint), call)
    return [tensor for tensor in (*found.of(SKIP), *found.of(MIDDLE)) if tensor is not None]


def test_a_network_is_built_from_shapes_alone_and_gives_the_same() -> None:
    module = network()
    down, middle = module(CALL.x, CALL.timestep, CALL.context, HINT, return_dict=False)
    for found, expected in zip(residuals(module), [*down, middle], strict=True):
        assert torch.equal(found, expected)


def test_networks_without_attention_are_known() -> None:
    plain = network(down_block_types=("DownBlock2D",) * 4, mid_block_type="UNetMidBlock2D")
    assert find_control_net(header(plain)).network.context_channels is None
    assert len(residuals(plain)) == 13


def test_networks_that_shuffle_add_the_same_everywhere() -> None:
    for tensor in residuals(network(), "control_v11e_sd15_shuffle.safetensors"):
        assert torch.allclose(tensor, tensor.mean(dim=(2, 3), keepdim=True).expand_as(tensor))


def test_a_denoiser_of_other_dimensions_is_refused() -> None:
    wide = ControlCall(x=CALL.x, timestep=CALL.timestep, context=torch.ones(2, 3, 24))
    with pytest.raises(UnsupportedControl, match="context of 24"):
        residuals(network(), call=wide)


def union(kinds: int = 8) -> Any:
    return network(
        ControlNetUnionModel,
        num_control_type=kinds,
        num_trans_channel=WIDTHS[0],
        num_proj_channel=WIDTHS[0],
        addition_time_embed_dim=16,
    )


def told(*kinds: int) -> ControlCall:
    return ControlCall(x=CALL.x, timestep=CALL.timestep, context=CALL.context, options={"control_type": list(kinds)})


@pytest.mark.parametrize("prefix", ["", "control_model."])
def test_a_network_for_several_kinds_of_hints_is_known_in_the_original_s_layout(prefix: str) -> None:
    module = union()
    layers = {name: name for name in module.state_dict() if name.startswith(TELLING)}
    shared = [name for name in module.state_dict() if name not in layers and not name.startswith("controlnet_")]
    paths = original_paths(shared, [2] * len(WIDTHS)) | layers
    shapes = {prefix + original_key(name, paths): tuple(value.shape) for name, value in module.state_dict().items()}
    facts = {CONFIG_METADATA: json.dumps({"unet.heads": HEADS})}
    stored = Header(Path("net.safetensors"), {key: TensorInfo("F32", shape) for key, shape in shapes.items()}, facts)

    found = find_control_net(stored)
    assert found.network == find_control_net(header(module)).network
    assert found.network.control_types == 8
    names = control_net_names(stored, found.prefix, original=found.original)
    assert {name: shapes[key] for name, key in names.items()} == {
        name: tuple(value.shape) for name, value in module.state_dict().items()
    }


def test_a_network_for_several_kinds_of_hints_is_told_which_it_gets() -> None:
    module = union()
    assert find_control_net(header(module)).network.control_types == 8
    one, other, unknown = (residuals(module, call=told(*kinds)) for kinds in ((0,), (3,), ()))
    assert not torch.allclose(one[0], other[0])
    assert not torch.allclose(one[0], unknown[0])


def test_a_hint_of_a_batch_is_seen_without_the_others() -> None:
    module = union()
    alone = ControlCall(
        x=CALL.x[:1], timestep=CALL.timestep[:1], context=CALL.context[:1], options={"control_type": [1]}
    )
    # In double precision, as sums over a batch of two are rounded otherwise than those of one.
    together = residuals(module, call=told(1), hint=torch.cat([HINT, 1 - HINT]), dtype=torch.float64)
    for both, one in zip(together, residuals(module, call=alone, dtype=torch.float64), strict=True):
        torch.testing.assert_close(both[:1], one, rtol=0, atol=1e-9)


def test_a_kind_that_a_network_does_not_know_is_refused() -> None:
    with pytest.raises(NoSuchControlType, match="knows 6 kinds"):
        residuals(union(6), call=told(7))


@pytest.mark.parametrize("prefix", ["", "control_model.", "controlnet.", "module."])
def test_diffusers_layout_is_known_after_any_prefix(prefix: str) -> None:
    plain = header(network())
    stored = replace(plain, tensors={prefix + name: info for name, info in plain.tensors.items()})

    found = find_control_net(stored)

    assert found.network == find_control_net(plain).network
    assert control_net_names(stored, prefix, original=False) == {name: prefix + name for name in plain.tensors}


def test_networks_for_videos_are_refused_by_what_they_have() -> None:
    plain = header(network())
    moving = {**plain.tensors, "down_blocks.0.motion_modules.0.norm.weight": TensorInfo("F32", (32,))}

    with pytest.raises(LayoutError, match="motion modules"):
        find_control_net(replace(plain, tensors=moving))


def test_other_files_are_refused() -> None:
    with pytest.raises(LayoutError, match="no control network"):
        find_control_net(Header(Path("x"), {"a.b": TensorInfo("F32", (1,))}))
    assert isinstance(ControlNetFamily().identify(Header(Path("x"), {})), Refusal)


def test_widths_that_heads_do_not_divide_are_refused() -> None:
    odd = Header(Path("x"), header(network()).tensors, {CONFIG_METADATA: json.dumps({"unet.heads": 5})})
    with pytest.raises(LayoutError, match="5 attention heads"):
        find_control_net(odd)
