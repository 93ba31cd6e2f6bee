"""Where parts go in whole files: headers of real files in, names and shapes of real files out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from host.builtin_nodes.families.flux.plugin import FluxFamily
from host.builtin_nodes.families.sd3.plugin import Sd3Family
from host.builtin_nodes.families.sdxl.plugin import SdxlFamily
from host.builtin_nodes.families.taesd.layout import SCALE_FACT, SHIFT_FACT, TinyVaeLayout
from host.builtin_nodes.families.taesd.module import build_tiny_vae
from host.builtin_nodes.families.taesd.plugin import TinyVaeFamily
from host.builtin_nodes.merging.checkpoint_layout import text_entries, text_in_checkpoint, vae_in_checkpoint
from host.builtin_nodes.merging.clip_layout import by_openclip_names, by_transformers_names
from host.builtin_nodes.merging.errors import UnsuitableLayout
from host.builtin_nodes.merging.save_nodes import vae_save
from host.builtin_nodes.merging.tensor_files import Entry, entry_of
from host.builtin_nodes.merging.vae_layout import original_vae_entries
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice
from sdk import Identity, ModelHandle, StoredPart
from tests.host.builtin_nodes.families.real_headers import real_files, real_header
from tests.host.builtin_nodes.families.tiny_files import original_clip_shapes
from tests.support.node_context import context_in

Shapes = dict[str, tuple[str, tuple[int, ...]]]


def nothing() -> Tensor:
    raise AssertionError("names and shapes are told without a look at the weights")


def entries(kind: str) -> dict[str, Entry]:
    tensors = real_files()[kind]["tensors"].items()
    return {name: Entry(dtype, tuple(shape), nothing) for name, (dtype, shape) in tensors}


def told(found: Mapping[str, Entry]) -> Shapes:
    return {name: (entry.dtype, entry.shape) for name, entry in found.items()}


@pytest.mark.parametrize(
    ("kind", "family", "begin"),
    [
        ("sd3_medium_incl_clips_t5", Sd3Family(), "text_encoders."),
        ("flux_dev_all_in_one", FluxFamily(), "text_encoders."),
        ("sdxl_base", SdxlFamily(), "conditioner."),
    ],
)
def test_text_encoders_of_a_whole_file_stay_where_they_are(kind: str, family: Any, begin: str) -> None:
    header = real_header(kind)
    identity = family.identify(header)
    assert isinstance(identity, Identity)
    part = next(part for part in family.parts(header, identity) if part.name == "text_encoder")
    clip = ModelHandle(key=kind, part=part.name, identity=identity, adapter=part.adapter)
    keys = part.passed_over | {source.key for source in part.weights.values()}
    stored = StoredPart(header, dict.fromkeys(sorted(keys)), {})

    found = told(text_in_checkpoint(identity.family, text_entries(clip, stored)))

    assert found == {key: shape for key, shape in told(entries(kind)).items() if key.startswith(begin)}


def test_one_of_two_text_encoders_is_not_enough_where_files_need_both() -> None:
    with pytest.raises(UnsuitableLayout, match="text encoder without clip_g can't be put into a checkpoint of sdxl"):
        text_in_checkpoint("sdxl", {"clip_l": {}})
    assert text_in_checkpoint("sd3", {"clip_l": {}}) == {}


def test_an_encoder_with_transformers_names_gets_openclip_s_and_the_other_way_round() -> None:
    hugging, openclip = told(entries("clip_g")), told(entries("clip_g_openclip"))
    assert told(by_openclip_names(entries("clip_g"))).items() <= openclip.items()
    assert openclip.keys() - by_openclip_names(entries("clip_g")).keys() <= {"logit_scale"}
    found = by_transformers_names(entries("clip_g_openclip"))
    assert found.keys() - {"logit_scale"} == hugging.keys() - {"text_model.embeddings.position_ids", "logit_scale"}
    assert all(found[name].shape == hugging[name][1] for name in found.keys() & hugging.keys())


def test_the_weights_themselves_are_put_together_and_taken_apart() -> None:
    weights = {name: torch.randn(shape) for name, shape in original_clip_shapes("", width=8).items()}
    split = by_transformers_names({name: entry_of(value) for name, value in weights.items()})
    values = torch.split(weights["transformer.resblocks.1.attn.in_proj_bias"], 8)[2]
    assert torch.equal(split["text_model.encoder.layers.1.self_attn.v_proj.bias"].make(), values)
    assert torch.equal(split["text_projection.weight"].make(), weights["text_projection"].T)

    again = by_openclip_names(split)

    assert again.keys() == weights.keys()
    assert all(torch.equal(again[name].make(), value) for name, value in weights.items())


def test_names_without_text_model_get_it() -> None:
    whole = {name: entry for name, entry in entries("clip_l").items() if name.startswith("text_model.")}
    bare = {name.removeprefix("text_model."): entry for name, entry in whole.items()}
    assert told(by_transformers_names(bare)).items() <= told(whole).items()


def test_a_t5_encoder_of_a_gguf_file_gets_transformers_names() -> None:
    names = ("token_embd", "enc.output_norm", "enc.blk.0.attn_q", "enc.blk.0.attn_rel_b", "enc.blk.1.ffn_gate")
    given = {f"{name}.weight": Entry("F16", (8,), nothing) for name in names}
    place = "text_encoders.t5xxl.transformer."
    assert text_in_checkpoint("flux", {"t5xxl": given}).keys() == {
        f"{place}shared.weight",
        f"{place}encoder.final_layer_norm.weight",
        f"{place}encoder.block.0.layer.0.SelfAttention.q.weight",
        f"{place}encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
        f"{place}encoder.block.1.layer.1.DenseReluDense.wi_0.weight",
    }


def test_longclip_s_two_tables_of_positions_become_one() -> None:
    found = by_transformers_names(entries("longclip_l_original"))
    assert found["text_model.embeddings.position_embedding.weight"].shape == (248, 768)
    assert found.keys() <= entries("longclip_l").keys() | {"text_projection.weight", "logit_scale"}


def test_an_autoencoder_in_diffusers_layout_is_put_into_the_original_s() -> None:
    assert told(original_vae_entries(entries("vae_sd_diffusers"))) == told(entries("vae_sd_kl_f8"))
    square = torch.arange(4.0).reshape(2, 2)
    layer = "decoder.mid_block.attentions.0.to_q.weight"
    given = {**entries("vae_sd_diffusers"), layer: entry_of(square)}
    assert torch.equal(original_vae_entries(given)["decoder.mid.attn_1.q.weight"].make()[..., 0, 0], square)


@pytest.mark.parametrize(("family", "place"), [("sd1", "first_stage_model."), ("flux", "vae.")])
def test_an_autoencoder_goes_where_other_programs_look_for_it(family: str, place: str) -> None:
    found = vae_in_checkpoint(family, entries("vae_sd_diffusers"))
    assert found.keys() == {place + name for name in entries("vae_sd_kl_f8")}


def test_a_tiny_autoencoder_has_no_place_in_a_checkpoint() -> None:
    with pytest.raises(UnsuitableLayout, match="autoencoder can't be put into a checkpoint of sd1"):
        vae_in_checkpoint("sd1", entries("taesd_decoder"))


def test_a_saved_tiny_autoencoder_says_which_latents_it_is_for(tmp_path: Path) -> None:
    halves = {"encoder": "", "decoder": ""}
    layout = TinyVaeLayout(halves=halves, diffusers=False, latent_channels=4, scale=1.0, shift=0.0)
    numbers = {"encoder": 0, "decoder": 1}
    weights: dict[str, dict[str, Tensor]] = {half: {} for half in halves}
    for name, value in build_tiny_vae(layout).state_dict().items():
        half, _, number, rest = name.split(".", 3)
        # The original counts the clamp before the decoder's first layer.
        weights[half][f"{int(number) + numbers[half]}.{rest}"] = value
    for half, tensors in weights.items():
        save_file(tensors, tmp_path / f"{half}.safetensors")
    context = context_in(tmp_path)
    context.models = ModelManager(Library([tmp_path]), [TinyVaeFamily()], [], CpuDevice())
    files = {half: tmp_path / f"{half}.safetensors" for half in halves}
    vae = context.models.open_together(files, {SCALE_FACT: 0.5, SHIFT_FACT: 0.25})["vae"]

    shown = (vae_save(context, vae).ui or {})["models"][0]
    path = context.folders.place("x").folder / shown["subfolder"] / shown["filename"]

    adapter = context.models.open(path)["vae"].adapter
    assert (adapter.scale, adapter.shift) == (0.5, 0.25)
    expected = {f"taesd_{half}.{name}" for half, tensors in weights.items() for name in tensors}
    assert load_file(path).keys() == expected | {"vae_scale", "vae_shift"}
