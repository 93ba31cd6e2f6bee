"""The LoRA nodes: what they declare, what they hand on, what they say."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from host.builtin_nodes.loaders.files import AbsentPart, MissingPart
from host.builtin_nodes.lora.errors import NothingMatches
from host.builtin_nodes.lora.nodes import lora_loader, lora_loader_model_only, register_nodes
from host.builtin_nodes.text.bundled_embeddings import embeddings_for
from host.models.errors import PatchMismatch
from sdk.models import ModelHandle
from sdk.testing import FakeContext, run_node
from tests.host.builtin_nodes.lora.small_model import CHANNELS, WIDTH, drawn, lora_layer, small_manager

MODEL = lora_layer("lora_unet_out", CHANNELS, CHANNELS)
TEXT = lora_layer("lora_te_text_model_final", WIDTH, WIDTH)
STRENGTH = {"default": 1.0, "min": -100.0, "max": 100.0, "step": 0.01}


@pytest.fixture
def context(tmp_path: Path) -> FakeContext:
    """A context whose folder for LoRAs is empty."""
    (tmp_path / "models" / "loras").mkdir(parents=True)
    return FakeContext(root=tmp_path)


def opened(context: FakeContext) -> tuple[ModelHandle, ModelHandle]:
    assert context.root is not None
    manager, handles = small_manager(context.root)
    context.models = manager  # type: ignore[assignment]
    return handles["denoiser"], handles["text_encoder"]


def write(context: FakeContext, tensors: dict[str, Tensor]) -> str:
    assert context.root is not None
    save_file(tensors, context.root / "models" / "loras" / "style.safetensors")
    return "style.safetensors"


def test_both_nodes_are_declared_as_workflows_know_them() -> None:
    assert [node.id for node in register_nodes()] == ["LoraLoader", "LoraLoaderModelOnly"]
    assert [node.title for node in register_nodes()] == ["Load LoRA", "LoraLoaderModelOnly"]
    assert {node.category for node in register_nodes()} == {"loaders"}
    inputs = [(item.name, item.type) for item in lora_loader.inputs]
    assert inputs == [
        ("model", "MODEL"), ("clip", "CLIP"), ("lora_name", "COMBO"),
        ("strength_model", "FLOAT"), ("strength_clip", "FLOAT"),
    ]  # fmt: skip
    assert [item.name for item in lora_loader_model_only.inputs] == ["model", "lora_name", "strength_model"]
    assert [output.type for output in lora_loader.outputs] == ["MODEL", "CLIP"]
    assert [output.type for output in lora_loader_model_only.outputs] == ["MODEL"]


@pytest.mark.parametrize("name", ["strength_model", "strength_clip"])
def test_strengths_have_the_range_that_workflows_know(name: str) -> None:
    declared = lora_loader.input(name)
    assert declared is not None
    assert {key: declared.option(key) for key in STRENGTH} == STRENGTH


def test_each_handle_gets_its_part_of_the_file_with_its_strength(context: FakeContext) -> None:
    model, clip = opened(context)
    name = write(context, {**MODEL, **TEXT})
    result = run_node(lora_loader, context, model=model, clip=clip, lora_name=name, strength_clip=-0.5).outputs

    assert [[(set(p.deltas), s) for p, s in handle.patches] for handle in result] == [
        [({"out.weight"}, 1.0)],
        [({"final.weight"}, -0.5)],
    ]
    assert (model.patches, clip.patches) == ((), ())
    assert context.texts == []


def test_a_change_that_does_not_fit_is_told_with_its_file_s_name(context: FakeContext) -> None:
    model, _ = opened(context)
    name = write(context, lora_layer("lora_unet_out", 2 * CHANNELS, CHANNELS))
    handle = run_node(lora_loader_model_only, context, model=model, lora_name=name).outputs[0]

    with pytest.raises(PatchMismatch, match=r"style\.safetensors .* can't change 'out.weight'.*\[12, 6\].*\[6, 6\]"):
        context.models.weights(handle)["out.weight"]


def test_strength_zero_for_both_hands_the_inputs_on_without_looking_at_the_file(context: FakeContext) -> None:
    model, clip = opened(context)
    result = run_node(
        lora_loader, context, model=model, clip=clip, lora_name="none", strength_model=0.0, strength_clip=0.0
    )

    assert result.outputs[0] is model
    assert result.outputs[1] is clip


def test_strength_zero_for_one_leaves_that_one_as_it_is(context: FakeContext) -> None:
    model, clip = opened(context)
    name = write(context, {**MODEL, **TEXT})
    result = run_node(lora_loader, context, model=model, clip=clip, lora_name=name, strength_clip=0.0)

    assert len(result.outputs[0].patches) == 1
    assert result.outputs[1] is clip


def test_two_in_a_row_keep_their_order(context: FakeContext) -> None:
    model, _ = opened(context)
    name = write(context, MODEL)
    (once,) = run_node(lora_loader_model_only, context, model=model, lora_name=name).outputs
    (twice,) = run_node(lora_loader_model_only, context, model=once, lora_name=name, strength_model=0.25).outputs

    assert [strength for _, strength in twice.patches] == [1.0, 0.25]


def test_another_strength_takes_the_changes_that_were_read_before(context: FakeContext) -> None:
    model, _ = opened(context)
    name = write(context, MODEL)
    one, other = (
        run_node(lora_loader_model_only, context, model=model, lora_name=name, strength_model=strength).outputs[0]
        for strength in (0.5, 0.75)
    )

    assert one.patches[0][0] is other.patches[0][0]


def test_keys_that_fit_nothing_are_counted_and_shown(context: FakeContext, caplog: pytest.LogCaptureFixture) -> None:
    model, clip = opened(context)
    strangers = {key: value for n in range(2) for key, value in lora_layer(f"lora_unet_stranger_{n}", 6, 6).items()}
    name = write(context, {**MODEL, **strangers})
    with caplog.at_level(logging.WARNING):
        run_node(lora_loader, context, model=model, clip=clip, lora_name=name)

    expected = (
        "style.safetensors: 6 keys fit no weight of the model or text encoder: lora_unet_stranger_0.alpha, "
        "lora_unet_stranger_0.lora_down.weight, lora_unet_stranger_0.lora_up.weight, lora_unet_stranger_1.alpha "
        "and 2 more"
    )
    assert context.texts == [expected]
    assert [record.getMessage() for record in caplog.records] == [expected]


def test_the_model_only_node_does_not_miss_the_text_encoder(context: FakeContext) -> None:
    model, _ = opened(context)
    name = write(context, {**MODEL, **TEXT})
    (result,) = run_node(lora_loader_model_only, context, model=model, lora_name=name).outputs

    assert len(result.patches) == 1
    assert context.texts == []


def test_a_file_that_fits_nothing_at_all_is_refused(context: FakeContext) -> None:
    model, clip = opened(context)
    name = write(context, lora_layer("lora_unet_double_blocks_0_img_attn_qkv", 6, 6))

    with pytest.raises(
        NothingMatches, match=r"'style\.safetensors' changes no weight of the model or the text encoder"
    ):
        run_node(lora_loader, context, model=model, clip=clip, lora_name=name)


@pytest.mark.parametrize("clip", [None, AbsentPart(MissingPart("text encoder", "a.ckpt", ["denoiser"]))])
def test_a_missing_text_encoder_stays_missing(clip: object, context: FakeContext) -> None:
    model, _ = opened(context)
    result = run_node(lora_loader, context, model=model, clip=clip, lora_name=write(context, MODEL))

    assert len(result.outputs[0].patches) == 1
    assert result.outputs[1] is clip


def test_embeddings_without_a_text_encoder_are_told_in_words(
    context: FakeContext, caplog: pytest.LogCaptureFixture
) -> None:
    model, _ = opened(context)
    name = write(context, {**MODEL, "bundle_emb.cat.clip_l": drawn(1, WIDTH), "bundle_emb.dog.clip_l": drawn(1, WIDTH)})
    run_node(lora_loader_model_only, context, model=model, lora_name=name)

    expected = (
        "style.safetensors brings embeddings (embedding:cat, embedding:dog); "
        "Load LoRA makes them known to the prompts of its text encoder"
    )
    assert context.texts == [expected]
    assert [record.getMessage() for record in caplog.records] == [expected]


def test_embeddings_come_with_a_text_encoder_of_strength_zero_too(context: FakeContext) -> None:
    model, clip = opened(context)
    name = write(context, {**MODEL, "bundle_emb.cat.clip_l": drawn(1, WIDTH)})
    result = run_node(lora_loader, context, model=model, clip=clip, lora_name=name, strength_clip=0.0).outputs[1]

    assert result.patches == ()
    found = embeddings_for(result, context.folders).load("cat", "clip_l")
    assert found is not None
    assert torch.equal(found, drawn(1, WIDTH))


def test_a_way_of_storing_changes_that_nobody_reads_is_named(context: FakeContext) -> None:
    model, clip = opened(context)
    name = write(context, {**MODEL, "base_model.model.out.vera_lambda_b": drawn(CHANNELS)})
    run_node(lora_loader, context, model=model, clip=clip, lora_name=name)
    assert context.texts[0].endswith("base_model.model.out.vera_lambda_b. Among them is what can't be read here: VeRA")

    name = write(context, {"out.lambda_layer": drawn(1, 2), "out.q_layer.weight": drawn(2, CHANNELS)})
    with pytest.raises(NothingMatches, match="or is stored as T-LoRA, which can't be read"):
        run_node(lora_loader, context, model=model, clip=clip, lora_name=name)
