"""The MODEL, CLIP and VAE objects of packs do what the host's own nodes do."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from host.builtin_nodes.working_memory import decoder_bytes, encoder_bytes
from host.comfyui.running import OutsideOfNodes, Running
from host.comfyui.surface import nodes
from host.comfyui.surface.attention import optimized_attention
from host.comfyui.surface.held_models import CLIP, VAE, Model, handle_of
from sdk.errors import NodeError
from tests.support.comfy_probe import ProbedHost


def test_a_vae_decodes_and_encodes_as_the_nodes_do(probed: ProbedHost) -> None:
    def compare(_model: Any, _clip: Any, vae: VAE) -> Any:
        latent, pixels = torch.randn(1, 4, 8, 8), torch.rand(1, 64, 64, 3)
        decoded, encoded = vae.decode(latent), vae.encode(pixels)
        (by_node,) = nodes.NODE_CLASS_MAPPINGS["VAEDecode"]().decode(vae, {"samples": latent})
        (latent_by_node,) = nodes.NODE_CLASS_MAPPINGS["VAEEncode"]().encode(vae, pixels)
        tiled = vae.decode_tiled(latent, tile_x=64, tile_y=None, overlap=None)
        assert vae.encode_tiled(pixels, tile_x=None, tile_y=None, overlap=None).shape == encoded.shape
        return decoded.equal(by_node), encoded.equal(latent_by_node["samples"]), (tiled - decoded).abs().max()

    same_decoded, same_encoded, difference = probed.inside(compare)
    assert same_decoded
    assert same_encoded
    assert difference < 1e-3


def test_tiles_ask_for_the_memory_that_one_of_them_needs(probed: ProbedHost) -> None:
    asked: list[int] = []

    def run(_model: Any, _clip: Any, vae: VAE) -> Any:
        real = vae.context.models

        class Models:
            def borrow(self, handle: Any, *, working_bytes: int) -> Any:
                asked.append(working_bytes)
                return real.borrow(handle, working_bytes=working_bytes)

        class Context:
            models = Models()

        with Running(Context()).entered():  # type: ignore[arg-type]
            vae.decode_tiled(torch.zeros(1, 4, 8, 8), tile_x=32)
            vae.encode_tiled(torch.zeros(1, 64, 64, 3), tile_x=128)
        return vae.handle

    handle = probed.inside(run)
    assert asked == [decoder_bytes(handle, (1, 4, 32, 32)), encoder_bytes(handle, (1, 128, 128, 3))]


def test_a_vae_says_how_its_latents_are(probed: ProbedHost) -> None:
    facts = probed.inside(
        lambda _model, _clip, vae: (vae.latent_channels, vae.downscale_ratio, vae.spacial_compression_decode())
    )
    assert facts == (4, 8, 8)


def test_a_text_encoder_encodes_as_the_node_does(probed: ProbedHost) -> None:
    def compare(_model: Any, clip: CLIP, _vae: Any) -> Any:
        ((by_node, options),) = nodes.NODE_CLASS_MAPPINGS["CLIPTextEncode"]().encode(clip, "a (red:1.3) hill")[0]
        tokens = clip.tokenize("a (red:1.3) hill")
        states, pooled = clip.encode_from_tokens(tokens, return_pooled=True)
        by_name = clip.encode_from_tokens(tokens, return_dict=True)
        ((scheduled, said),) = clip.encode_from_tokens_scheduled(tokens, add_dict={"guidance": 3.0})
        same = [states, by_name["cond"], scheduled, clip.encode("a (red:1.3) hill")]
        assert said["guidance"] == 3.0
        return all(item.equal(by_node) for item in same) and pooled.equal(options["pooled_output"])

    assert probed.inside(compare)


def test_a_vector_without_its_projection_is_refused(probed: ProbedHost) -> None:
    def ask(_model: Any, clip: CLIP, _vae: Any) -> Any:
        tokens = clip.tokenize("a hill")
        for encode in (
            lambda: clip.encode_from_tokens(tokens, return_pooled="unprojected"),
            lambda: clip.encode_from_tokens_scheduled(tokens, unprojected=True),
        ):
            with pytest.raises(NodeError, match="without its projection"):
                encode()
        return True

    assert probed.inside(ask)


def test_tokens_may_be_taken_apart_and_weighed_anew(probed: ProbedHost) -> None:
    def compare(_model: Any, clip: CLIP, _vae: Any) -> Any:
        tokens = clip.tokenize("a hill", return_word_ids=True)
        (chunk,) = tokens["l"]
        assert chunk[0][:2] == (49406, 1.0)
        assert [word for _, _, word in chunk[:4]] == [0, 1, 1, 0]
        weighed = {"l": [[(token, 1.3 if word else weight, word) for token, weight, word in chunk]]}
        return clip.encode_from_tokens(weighed), clip.encode("(a hill:1.3)")

    weighed, written = probed.inside(compare)
    assert (weighed - written).abs().max() < 1e-5


def test_another_layer_may_be_chosen_for_a_copy_alone(probed: ProbedHost) -> None:
    def compare(_model: Any, clip: CLIP, _vae: Any) -> Any:
        other = clip.clone()
        other.clip_layer(-2)
        return other.encode("a hill"), clip.encode("a hill"), other.handle.options

    other, first, options = probed.inside(compare)
    assert not other.equal(first)
    assert options["stop_at_layer"] == -2


def test_a_model_says_how_it_sees_noise(probed: ProbedHost) -> None:
    def look(model: Model, _clip: Any, _vae: Any) -> Any:
        sampling, latents = model.get_model_object("model_sampling"), model.model.latent_format
        one = torch.ones(1, 4, 2, 2)
        assert latents.process_out(latents.process_in(one)).allclose(one)
        return sampling.sigma_max, latents.scale_factor, latents.latent_channels, model.load_device

    sigma_max, scale, channels, device = probed.inside(look)
    assert sigma_max == pytest.approx(14.6146, abs=1e-3)
    assert (scale, channels, device) == (0.18215, 4, torch.device("cpu"))


def test_copies_are_of_the_same_weights(probed: ProbedHost) -> None:
    def look(model: Model, clip: CLIP, _vae: Any) -> Any:
        again = model.clone()
        return again == model, hash(again) == hash(model), again.is_clone(model), model == clip, model.is_clone(clip)

    assert probed.inside(look) == (True, True, True, False, False)


def test_what_is_not_offered_is_named(probed: ProbedHost) -> None:
    def look(model: Model, _clip: Any, vae: VAE) -> Any:
        assert not hasattr(vae, "first_stage_model")
        assert copy.copy(model) == model
        with pytest.raises(AttributeError, match="'no_such' of ComfyUI's MODEL"):
            model.get_model_object("no_such")
        with pytest.raises(AttributeError, match="'add_patches' of ComfyUI's MODEL objects is not offered"):
            model.add_patches({}, 1.0)
        return True

    assert probed.inside(look)


def test_an_object_that_outlives_its_node_works_in_the_next(probed: ProbedHost) -> None:
    kept = probed.inside(lambda model, clip, vae: vae)
    images = probed.inside(lambda model, clip, vae: kept.decode(torch.zeros(1, 4, 8, 8)))
    assert images.shape == (1, 64, 64, 3)


def test_a_handle_without_a_node_says_that_it_needs_one(probed: ProbedHost) -> None:
    handle = probed.inside(lambda model, clip, vae: vae.handle)
    with pytest.raises(OutsideOfNodes, match="a VAE works only while a node runs"):
        VAE(handle).decode(torch.zeros(1, 4, 8, 8))


def test_something_else_than_a_model_is_refused_by_name() -> None:
    with pytest.raises(NodeError, match=r"Sampling needs a model .* was given dict"):
        handle_of({}, "Sampling")


def sampled(model: Model, clip: CLIP, cfg: float = 4.0) -> torch.Tensor:
    prompts = [clip.encode_from_tokens_scheduled(clip.tokenize(text)) for text in ("a hill", "")]
    latent = {"samples": torch.zeros(1, 4, 16, 16)}
    (out,) = nodes.common_ksampler(model, 3, 2, cfg, "euler", "normal", *prompts, latent)
    samples: torch.Tensor = out["samples"]
    return samples


def test_a_pack_s_guidance_takes_the_place_of_the_host_s(probed: ProbedHost) -> None:
    def plain(facts: dict[str, Any]) -> Any:
        return facts["uncond"] + facts["cond_scale"] * (facts["cond"] - facts["uncond"])

    def run(model: Model, clip: CLIP, _vae: Any) -> Any:
        same, positive, post = model.clone(), model.clone(), model.clone()
        same.set_model_sampler_cfg_function(plain)
        positive.set_model_sampler_cfg_function(lambda cond, uncond, cond_scale: cond)
        post.set_model_sampler_post_cfg_function(lambda facts: facts["cond_denoised"], disable_cfg1_optimization=True)
        assert model != same
        return [sampled(one, clip) for one in (model, same, positive, post)] + [sampled(model, clip, cfg=1.0)]

    theirs, same, positive, post, without = probed.inside(run)
    assert (theirs - same).abs().max() < 1e-4 * theirs.abs().max()
    assert (positive - without).abs().max() < 1e-3 * without.abs().max()
    assert (post - without).abs().max() < 1e-3 * without.abs().max()
    assert not theirs.allclose(positive, rtol=1e-2)


def test_guidance_is_told_of_the_step(probed: ProbedHost) -> None:
    seen: list[dict[str, Any]] = []

    def look(facts: dict[str, Any]) -> Any:
        seen.append(facts)
        return facts["denoised"]

    def run(model: Model, clip: CLIP, _vae: Any) -> Any:
        model.set_model_sampler_post_cfg_function(look)
        return sampled(model, clip)

    probed.inside(run)
    first, last = seen
    assert first["sigma"].shape == (1,)
    assert float(first["sigma"]) > float(last["sigma"])
    assert first["cond_scale"] == 4.0
    assert first["input"].shape == first["uncond_denoised"].shape == first["denoised"].shape


@pytest.mark.parametrize(
    "method",
    [
        "set_model_input_block_patch",
        "set_model_input_block_patch_after_skip",
        "set_model_output_block_patch",
        "set_model_attn1_patch",
        "set_model_attn2_patch",
        "set_model_attn1_output_patch",
        "set_model_attn2_output_patch",
    ],
)
def test_a_pack_s_patches_work_inside_the_network(probed: ProbedHost, method: str) -> None:
    told: list[Any] = []

    def run(model: Model, clip: CLIP, _vae: Any) -> Any:
        def same(*given: Any) -> Any:
            told.append(given[-1])
            return given[:-1] if len(given) > 2 else given[0]

        def twice(*given: Any) -> Any:
            changed = tuple(part * 2 for part in given[:-1])
            return changed if len(given) > 2 else changed[0]

        patched, changed = model.clone(), model.clone()
        getattr(patched, method)(same)
        getattr(changed, method)(twice)
        return [sampled(one, clip) for one in (model, patched, changed)]

    plain, patched, changed = probed.inside(run)
    assert (plain - patched).abs().max() <= 1e-4 * plain.abs().max()
    assert not plain.allclose(changed, rtol=1e-3)
    facts = told[0]
    assert facts["block"][0] in ("input", "output", "middle")
    assert facts["original_shape"][1:] == [4, 16, 16]
    assert sorted(set(facts["cond_or_uncond"])) == [0, 1]
    assert float(facts["sigmas"]) > 1
    if "attn" in method:
        assert (facts["n_heads"], facts["block_index"]) == (4, 0)


def test_a_pack_may_replace_self_attention_in_one_block(probed: ProbedHost) -> None:
    places: list[Any] = []

    def run(model: Model, clip: CLIP, _vae: Any) -> Any:
        def attention(q: Any, k: Any, v: Any, options: Any) -> Any:
            places.append(options["block"])
            return optimized_attention(q, k, v, options["n_heads"])

        patched = model.clone()
        patched.set_model_attn1_replace(attention, "input", 1)
        return sampled(model, clip), sampled(patched, clip)

    plain, patched = probed.inside(run)
    assert set(places) == {("input", 1)}
    assert (plain - patched).abs().max() < 1e-4 * plain.abs().max()
