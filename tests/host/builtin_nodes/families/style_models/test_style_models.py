"""Style networks: recognised by their header, and what becomes of prompts."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from host.builtin_nodes.conditioning.style_models import style_model_apply, style_model_loader
from host.builtin_nodes.families.clip_vision.adapter import VisionOutput
from host.builtin_nodes.families.flux.denoiser import flux_denoiser
from host.builtin_nodes.families.style_models.joining import ATTENTION_MASK, for_cells, joined
from host.builtin_nodes.families.style_models.layout import REDUX, STYLE_ADAPTER, StyleLayout
from host.builtin_nodes.families.style_models.module import build_style_model
from host.builtin_nodes.families.style_models.plugin import StyleModelFamily
from host.folders import LocalFolders
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice
from sdk import CONFIG_METADATA, Identity, NodeError
from tests.host.builtin_nodes.families.mmdit.small_transformers import FLUX, inputs, small_flux
from tests.host.builtin_nodes.families.real_headers import real_header
from tests.support.node_context import LoneContext, context_in

WIDTH, CONTEXT, TOKENS = 16, 12, 3
ADAPTER = StyleLayout(kind=STYLE_ADAPTER, width=WIDTH, inner=WIDTH, context=CONTEXT, tokens=TOKENS, layers=2, heads=2)
SMALL_REDUX = StyleLayout(kind=REDUX, width=WIDTH, inner=24, context=CONTEXT)


def filled(layout: StyleLayout) -> Any:
    torch.manual_seed(0)
    module = build_style_model(layout)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.3)
    return module


def context_with(tmp_path: Path, layout: StyleLayout) -> LoneContext:
    folder = tmp_path / "models" / "style_models"
    folder.mkdir(parents=True)
    facts = {CONFIG_METADATA: json.dumps({"style_model.heads": 2})}
    save_file(filled(layout).state_dict(), folder / "style.safetensors", facts)
    library = Library([tmp_path / "models"])
    context = context_in(tmp_path)
    context.folders = LocalFolders(tmp_path, library)
    context.models = ModelManager(library, [StyleModelFamily()], [], CpuDevice())
    return context


def seen(batch: int = 1, width: int = WIDTH) -> VisionOutput:
    states = torch.randn(batch, 5, width, generator=torch.Generator().manual_seed(2))
    return VisionOutput(states, states, states[:, 0])


def applied(context: LoneContext, output: VisionOutput, **options: Any) -> list[Any]:
    handle = style_model_loader(style_model_name="style.safetensors", context=context)
    given = {"strength": 1.0, "strength_type": "multiply", "conditioning": [[torch.ones(1, 4, CONTEXT), {"a": 1}]]}
    given |= {"style_model": handle, "clip_vision_output": output, "context": context, **options}
    (entry,) = style_model_apply(**given)
    return list(entry)


def test_the_published_adapter_is_known_with_its_dimensions() -> None:
    header = real_header("t2i_adapter_style")
    identity = StyleModelFamily().identify(header)
    assert isinstance(identity, Identity)
    layout = StyleLayout(**identity.config["style"])
    assert (layout.width, layout.context, layout.tokens, layout.layers, layout.heads) == (1024, 768, 8, 3, 8)
    assert identity.config["for_family"] == "sd1"
    (part,) = StyleModelFamily().parts(header, identity)
    with torch.device("meta"):
        assert set(build_style_model(layout).state_dict()) == set(part.weights)


@torch.no_grad()
def test_style_tokens_follow_the_prompt_s_own(tmp_path: Path) -> None:
    text, options = applied(context_with(tmp_path, ADAPTER), seen(batch=2), strength=0.5)
    expected = filled(ADAPTER)(seen(batch=2).last_hidden_state).reshape(1, 2 * TOKENS, CONTEXT)
    assert torch.equal(text[:, :4], torch.ones(1, 4, CONTEXT))
    torch.testing.assert_close(text[:, 4:], expected * 0.5)
    assert options == {"a": 1}


@torch.no_grad()
def test_the_adapter_is_a_pre_norm_transformer_whose_last_tokens_are_projected() -> None:
    module, states = filled(ADAPTER), seen().last_hidden_state
    layers = torch.nn.TransformerEncoderLayer(WIDTH, 2, 4 * WIDTH, 0.0, quick_gelu, batch_first=True, norm_first=True)
    tokens = module.ln_pre(torch.cat([states, module.style_embedding], dim=1))
    for block in module.transformer_layes:
        layers.load_state_dict(
            {
                **{f"self_attn.{key}": value for key, value in block.attn.state_dict().items()},
                **{f"linear1.{key}": value for key, value in block.mlp.c_fc.state_dict().items()},
                **{f"linear2.{key}": value for key, value in block.mlp.c_proj.state_dict().items()},
                **{f"norm1.{key}": value for key, value in block.ln_1.state_dict().items()},
                **{f"norm2.{key}": value for key, value in block.ln_2.state_dict().items()},
            }
        )
        tokens = layers(tokens)
    expected = module.ln_post(tokens[:, -TOKENS:]) @ module.proj
    torch.testing.assert_close(module(states), expected, rtol=0, atol=1e-5)


def quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


@torch.no_grad()
def test_redux_makes_a_token_of_each_of_the_image_s(tmp_path: Path) -> None:
    text, options = applied(context_with(tmp_path, SMALL_REDUX), seen(), strength=0.5, strength_type="attn_bias")
    assert text.shape == (1, 4 + 5, CONTEXT)
    mask = options[ATTENTION_MASK]
    assert mask.shape == (1, 10, 10)
    assert mask[0, :, 4:9][[0, 3, 9]].unique().tolist() == pytest.approx([math.log(0.5)])
    assert torch.count_nonzero(mask[0, :, [0, 1, 2, 3, 9]]) == torch.count_nonzero(mask[0, 4:9]) == 0


def test_a_second_image_keeps_the_attention_of_the_first() -> None:
    prompt = [[torch.zeros(1, 2, CONTEXT), {}]]
    once = joined(prompt, torch.zeros(1, 1, CONTEXT), attention=2.0)
    ((_, options),) = joined(once, torch.zeros(1, 1, CONTEXT), attention=3.0)
    first, second = math.log(2.0), math.log(3.0)
    looked = [0.0, 0.0, first, second, 0.0]
    assert options[ATTENTION_MASK][0, 0].tolist() == pytest.approx(looked)
    assert options[ATTENTION_MASK][0, 4].tolist() == pytest.approx(looked)
    assert options[ATTENTION_MASK][0, 3].tolist() == [0.0] * 5


def test_every_cell_of_the_image_looks_alike() -> None:
    mask = torch.arange(9.0).reshape(1, 3, 3)
    assert for_cells(mask, 2)[0].tolist() == [[0, 1, 2, 2], [3, 4, 5, 5], [6, 7, 8, 8], [6, 7, 8, 8]]


@torch.no_grad()
def test_twice_the_attention_on_a_token_is_what_a_second_copy_of_it_would_get() -> None:
    adapter = flux_denoiser(16, FLUX.pooled_channels, guidance=False)
    module, given = small_flux(guidance=False), inputs()
    text, token = given["context"], given["context"][:, :1] + 1.0
    known = text.shape[1]
    mask = torch.zeros(1, known + 2, known + 2)
    mask[..., known] = math.log(2.0)
    expected = adapter.forward(module, **{**given, "context": torch.cat([text, token, token], dim=1)})
    given["context"] = torch.cat([text, token], dim=1)
    told = adapter.inputs({ATTENTION_MASK: mask}, given["x"], None)["attention"]
    torch.testing.assert_close(adapter.forward(module, **given, attention=told), expected, rtol=0, atol=1e-4)
    assert (adapter.forward(module, **given) - expected).abs().max() > 1e-2


def test_an_encoder_or_a_prompt_of_another_width_is_refused_with_what_to_do(tmp_path: Path) -> None:
    context = context_with(tmp_path, ADAPTER)
    with pytest.raises(NodeError, match="takes an image encoder's states of 16 channels, these have 20"):
        applied(context, seen(width=20))
    with pytest.raises(NodeError, match="tokens of 12 channels, the prompt's have 13"):
        applied(context, seen(), conditioning=[[torch.ones(1, 4, 13), {}]])
