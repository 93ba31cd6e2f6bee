"""Names by which files of changes call a transformer's layers, in either layout of the transformer."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from host.builtin_nodes.families.flux.plugin import FluxFamily
from host.builtin_nodes.families.sd3.plugin import Sd3Family
from sdk import Identity, ModelFamily
from sdk.models import PatchTarget, Stacked, TensorSource
from tests.host.builtin_nodes.families.real_headers import real_files, real_header

ENDINGS = re.compile(r"\.(lora_(A|B|up|down)\.weight|alpha)$")
FILES = ("lora_flux_kohya", "lora_flux_original_names", "lora_flux_diffusers")
LAYOUTS = ("flux_dev_all_in_one", "flux_dev", "flux_dev_transformer_diffusers")


def names_of(family: ModelFamily, kind: str, part: str = "denoiser") -> Mapping[str, PatchTarget]:
    header = real_header(kind)
    identity = family.identify(header)
    assert isinstance(identity, Identity)
    found = next((one for one in family.parts(header, identity) if one.name == part), None)
    return found.patch_names() if found and found.patch_names else {}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("file", FILES)
def test_every_layer_of_a_flux_lora_has_its_place_in_either_layout(file: str, layout: str) -> None:
    names = {**names_of(FluxFamily(), layout), **names_of(FluxFamily(), layout, "text_encoder")}
    stems = {ENDINGS.sub("", key) for key in real_files()[file]["tensors"]}
    if "all_in_one" not in layout:
        stems = {stem for stem in stems if not stem.startswith("lora_te")}
    assert stems - names.keys() == set()


def test_a_fused_layer_of_the_original_is_several_of_the_modules_in_order() -> None:
    names = names_of(FluxFamily(), "flux_dev")
    single = "single_transformer_blocks.3"
    layers = [f"{single}.attn.to_q", f"{single}.attn.to_k", f"{single}.attn.to_v", f"{single}.proj_mlp"]

    assert names["lora_unet_single_blocks_3_linear1"] == Stacked(
        tuple(TensorSource(f"{layer}.weight") for layer in layers), (3072, 3072, 3072, 12288)
    )
    assert names["diffusion_model.single_blocks.3.linear1.bias"] == Stacked(
        tuple(TensorSource(f"{layer}.bias") for layer in layers), (3072, 3072, 3072, 12288)
    )
    assert names[f"transformer.{single}.attn.to_k"] == f"{single}.attn.to_k.weight"


@pytest.mark.parametrize(("layout", "swapped"), [("flux_dev", False), ("flux_dev_transformer_diffusers", True)])
def test_halves_of_the_last_modulation_are_swapped_between_the_layouts(layout: str, swapped: bool) -> None:
    names, weight = names_of(FluxFamily(), layout), "norm_out.linear.weight"
    halves = Stacked(
        (TensorSource(weight, narrow=(0, 3072, 3072)), TensorSource(weight, narrow=(0, 0, 3072))), (3072, 3072)
    )
    assert names["lora_unet_final_layer_adaLN_modulation_1"] == (halves if swapped else weight)
    assert names["transformer.norm_out.linear"] == (weight if swapped else halves)


@pytest.mark.parametrize(
    "name", ["transformer.{}", "base_model.model.{}", "base_model.model.transformer.{}", "unet.{}", "{}"]
)
def test_a_layer_of_the_module_has_the_names_of_every_trainer(name: str) -> None:
    layer = "transformer_blocks.3.attn.to_k"
    for family, kind in ((FluxFamily(), "flux_dev"), (Sd3Family(), "sd3_medium")):
        assert names_of(family, kind)[name.format(layer)] == f"{layer}.weight"


@pytest.mark.parametrize(
    "before", ["", "diffusion_model.", "model.diffusion_model.", "base_model.model.", "transformer."]
)
def test_a_layer_of_the_original_has_the_names_of_every_trainer(before: str) -> None:
    for family, kind, layer in (
        (FluxFamily(), "flux_dev", "double_blocks.0.img_attn.qkv"),
        (Sd3Family(), "sd3_medium", "joint_blocks.0.x_block.attn.qkv"),
    ):
        names = names_of(family, kind)
        assert names[before + layer] == names[f"lora_unet_{layer.replace('.', '_')}"]
        assert names[before + layer] == names[f"oft_unet_{layer.replace('.', '_')}"]


def test_attention_processors_of_flux_change_the_layers_they_stand_beside() -> None:
    names = names_of(FluxFamily(), "flux_dev")
    for processor, layer in {
        "double_blocks.18.processor.qkv_lora1": "double_blocks.18.img_attn.qkv",
        "double_blocks.18.processor.proj_lora1": "double_blocks.18.img_attn.proj",
        "double_blocks.18.processor.qkv_lora2": "double_blocks.18.txt_attn.qkv",
        "double_blocks.18.processor.proj_lora2": "double_blocks.18.txt_attn.proj",
        "single_blocks.37.processor.proj_lora": "single_blocks.37.linear2",
    }.items():
        assert names[processor] == names[layer]
    rows, fused = names["single_blocks.37.processor.qkv_lora"], names["single_blocks.37.linear1"]
    assert isinstance(rows, Stacked)
    assert isinstance(fused, Stacked)
    assert (rows.sources, rows.lengths) == (fused.sources[:3], (3072, 3072, 3072))


@pytest.mark.parametrize("prefix", ["lora_te2_", "lora_te3_", "text_encoder_2.", "text_encoders.t5xxl.transformer."])
def test_flux_s_t5_is_the_second_encoder_or_as_kohya_has_it_the_third(prefix: str) -> None:
    layer = "encoder.block.0.layer.0.SelfAttention.q"
    names = names_of(FluxFamily(), "flux_dev_all_in_one", "text_encoder")
    written = layer.replace(".", "_") if prefix.startswith("lora") else layer
    assert names[prefix + written] == f"t5xxl.{layer}.weight"


def test_the_second_attention_of_stable_diffusion_3_5_has_names_of_its_own() -> None:
    names = names_of(Sd3Family(), "sd35_medium")
    fused = names["lora_unet_joint_blocks_0_x_block_attn2_qkv"]
    assert isinstance(fused, Stacked)
    assert [source.key for source in fused.sources] == [
        f"transformer_blocks.0.attn2.to_{kind}.weight" for kind in "qkv"
    ]
    assert "lora_unet_joint_blocks_13_x_block_attn2_qkv" not in names
