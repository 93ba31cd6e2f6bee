"""What packs put into a model becomes rules of the host's sampling, beside those of the host's nodes."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from host.builtin_nodes.sampling.patches import NetworkPatches
from host.builtin_nodes.sampling.rules import guidance_of, with_guidance
from host.comfyui.handles import UnknownAttribute
from host.comfyui.surface import nodes, samplers
from host.comfyui.surface.held_models import CLIP, Model
from host.comfyui.surface.model_options import NotOfferedInModels, set_model_options_patch_replace
from sdk.errors import NodeError
from tests.support.comfy_probe import ProbedHost


def unchanged(first: Any, *_more: Any) -> Any:
    return first


def sampled(model: Model, clip: CLIP, cfg: float = 4.0) -> torch.Tensor:
    prompts = [clip.encode_from_tokens_scheduled(clip.tokenize(text)) for text in ("a hill", "")]
    latent = {"samples": torch.zeros(1, 4, 16, 16)}
    (out,) = nodes.common_ksampler(model, 3, 1, cfg, "euler", "normal", *prompts, latent)
    samples: torch.Tensor = out["samples"]
    return samples


def model_in(probed: ProbedHost) -> Model:
    found: Model = probed.inside(lambda model, _clip, _vae: model)
    return found


def test_an_object_into_which_nothing_is_put_is_the_handle_it_came_from(probed: ProbedHost) -> None:
    model = model_in(probed)
    before = model.handle
    assert model.clone().handle is before
    model.model_options["transformer_options"] = {}
    assert model.handle is before


def test_what_is_put_into_a_clone_stays_there(probed: ProbedHost) -> None:
    model = model_in(probed)
    clone = model.clone()
    clone.set_model_attn1_patch(lambda q, k, v, facts: (q, k, v))
    again = clone.clone()
    again.set_model_attn1_patch(lambda q, k, v, facts: (q, k, v))
    counts = [len(item.before) for one in (clone, again) for item in guidance_of(one.handle).patches.around_self]
    assert counts == [1, 2]
    assert not guidance_of(model.handle).patches
    assert clone.is_clone(model)
    assert clone != model


def test_what_is_taken_out_again_is_gone(probed: ProbedHost) -> None:
    model = model_in(probed)
    model.set_model_sampler_cfg_function(unchanged)
    model.set_model_output_block_patch(unchanged)
    model.set_model_attn1_replace(unchanged, "middle", 0)
    passed_on = Model(model.handle)
    assert guidance_of(passed_on.handle).formula is not None
    passed_on.model_options = {"transformer_options": {}}
    guidance = guidance_of(passed_on.handle)
    assert guidance.formula is None
    assert guidance.patches == NetworkPatches()


def test_rules_of_the_host_s_nodes_stay_beside_those_of_packs(probed: ProbedHost) -> None:
    model = model_in(probed)
    model.set_model_sampler_post_cfg_function(unchanged)
    by_node = Model(with_guidance(model.handle, after=unchanged, patches=NetworkPatches(after_middle=(unchanged,))))
    by_node.set_model_sampler_post_cfg_function(unchanged, disable_cfg1_optimization=True)
    guidance = guidance_of(by_node.handle)
    assert [rule is unchanged for rule in guidance.after] == [False, False, True]
    assert guidance.patches.after_middle == (unchanged,)
    assert guidance.needs_negative


def test_functions_see_what_packs_keep_among_the_options(probed: ProbedHost) -> None:
    seen: list[Any] = []

    def run(model: Model, clip: CLIP, _vae: Any) -> Any:
        def look(q: Any, k: Any, v: Any, facts: Any) -> Any:
            seen.append((facts["of_pack"], "patches" in facts))
            return q, k, v

        model.model_options["transformer_options"]["of_pack"] = 7
        model.set_model_attn2_patch(look)
        return sampled(model, clip)

    probed.inside(run)
    assert set(seen) == {(7, False)}


def test_changes_around_attention_come_in_the_order_in_which_they_were_put_in(probed: ProbedHost) -> None:
    order: list[str] = []

    def noting(name: str) -> Any:
        def note(*given: Any) -> Any:
            order.append(name)
            return given[:3] if len(given) > 2 else given[0]

        return note

    def run(model: Model, clip: CLIP, _vae: Any) -> Any:
        for name in ("a", "b"):
            model.set_model_attn1_patch(noting(f"before {name}"))
            model.set_model_attn1_output_patch(noting(f"after {name}"))
        return sampled(model, clip)

    probed.inside(run)
    assert order[:4] == ["before a", "before b", "after a", "after b"]


@pytest.mark.parametrize(
    ("put", "name"),
    [
        (lambda model: model.set_model_patch(unchanged, "double_block"), "double_block"),
        (lambda model: model.set_model_patch_replace(unchanged, "dit", "double_block", 1), "dit_replace"),
        (lambda model: model.model_options.update(context_handler=unchanged), "context_handler"),
    ],
)
def test_what_sampling_has_no_place_for_is_refused_where_the_model_goes_on(
    probed: ProbedHost, put: Any, name: str
) -> None:
    model = model_in(probed)
    put(model)
    with pytest.raises(NotOfferedInModels, match=f"'{name}'"):
        _ = model.handle


def test_noise_may_be_seen_as_another_model_sees_it(probed: ProbedHost) -> None:
    model = model_in(probed)
    other = nodes.NODE_CLASS_MAPPINGS["ModelSamplingDiscrete"]

    def shift(model: Model, _clip: Any, _vae: Any) -> Any:
        (changed,) = other().patch(model, "v_prediction", False)
        clone = model.clone()
        clone.add_object_patch("model_sampling", changed.get_model_object("model_sampling"))
        return clone, changed

    clone, changed = probed.inside(shift)
    assert clone.model_sampling is changed.model_sampling
    assert clone.model_sampling is not model.model_sampling
    with pytest.raises(NodeError, match=r"takes what get_model_object\('model_sampling'\) gives, not object"):
        model.add_object_patch("model_sampling", object())
    with pytest.raises(UnknownAttribute, match=r"'diffusion_model\.x' of ComfyUI's MODEL"):
        model.add_object_patch("diffusion_model.x", object())


def in_step(probed: ProbedHost, ask: Any, cfg: float = 4.0, replaced: Any = None) -> Any:
    """What a function gives that a pack has put behind guidance."""

    def run(model: Model, clip: CLIP, _vae: Any) -> Any:
        found: list[Any] = []

        def after(facts: dict[str, Any]) -> Any:
            found.append(ask(facts))
            return facts["denoised"]

        model.set_model_attn2_patch(lambda q, k, v, facts: (q, k, v))
        if replaced is not None:
            model.set_model_attn1_replace(replaced, "middle", 0)
        model.set_model_sampler_post_cfg_function(after)
        sampled(model, clip, cfg)
        return found[0]

    return probed.inside(run)


def test_both_sides_are_predicted_anew_as_they_were(probed: ProbedHost) -> None:
    def ask(facts: dict[str, Any]) -> Any:
        common = (facts["input"], facts["sigma"], facts["model_options"])
        both = samplers.calc_cond_batch(facts["model"], [facts["cond"], facts["uncond"]], *common)
        pair = samplers.calc_cond_uncond_batch(facts["model"], facts["cond"], None, *common)
        wanted = (facts["cond_denoised"], facts["uncond_denoised"])
        same = [made.allclose(known, atol=1e-4) for made, known in zip(both, wanted, strict=True)]
        return same, pair[0].allclose(both[0], atol=1e-4), bool(pair[1].any())

    assert in_step(probed, ask) == ([True, True], True, False)


def test_another_replacement_may_take_the_place_of_the_model_s(probed: ProbedHost) -> None:
    def first(q: Any, k: Any, v: Any, facts: Any) -> Any:
        return v

    def second(q: Any, k: Any, v: Any, facts: Any) -> Any:
        return v * 2

    def ask(facts: dict[str, Any]) -> Any:
        common = (facts["input"], facts["sigma"])
        other = set_model_options_patch_replace(facts["model_options"], second, "attn1", "middle", 0)
        made = [
            samplers.calc_cond_batch(None, [facts["cond"]], *common, options)[0]
            for options in (facts["model_options"], other)
        ]
        return made[0].allclose(facts["cond_denoised"], atol=1e-4), made[1].allclose(made[0], atol=1e-4)

    assert in_step(probed, ask, replaced=first) == (True, False)


def test_without_guidance_there_is_no_negative_side(probed: ProbedHost) -> None:
    assert in_step(probed, lambda facts: facts["uncond"], cfg=1.0) is None


def asked(**changed: Any) -> Any:
    def ask(facts: dict[str, Any]) -> Any:
        given = {**facts, **{name: make(facts) for name, make in changed.items()}}
        common = (given["input"], given["sigma"], given["model_options"])
        with pytest.raises(NodeError) as caught:
            samplers.calc_cond_batch(None, [given["cond"]], *common)
        return str(caught.value)

    return ask


def test_predictions_are_made_for_the_step_alone(probed: ProbedHost) -> None:
    assert "was given list" in in_step(probed, asked(cond=lambda facts: []))
    assert "works on the level of its step" in in_step(probed, asked(sigma=lambda facts: facts["sigma"] * 2))
    assert "can't leave out" in in_step(probed, asked(model_options=lambda facts: {}))
    unknown = asked(
        model_options=lambda facts: set_model_options_patch_replace(
            facts["model_options"], unchanged, "attn3", "middle", 0
        )
    )
    assert "'attn3_replace'" in in_step(probed, unknown)


def test_a_function_around_the_network_can_t_leave_out_what_was_put_into_the_model(probed: ProbedHost) -> None:
    def evaluate(apply_model: Any, facts: Any) -> Any:
        c = facts["c"] | {"transformer_options": {}}
        with pytest.raises(NodeError, match="can't leave out"):
            apply_model(facts["input"], facts["timestep"], **c)
        return apply_model(facts["input"], facts["timestep"], **facts["c"])

    def run(model: Model, clip: CLIP, _vae: Any) -> Any:
        model.set_model_attn2_patch(lambda q, k, v, facts: (q, k, v))
        model.set_model_unet_function_wrapper(evaluate)
        return sampled(model, clip)

    assert probed.inside(run).isfinite().all()


def test_what_a_side_is_made_of_is_not_offered(probed: ProbedHost) -> None:
    def ask(facts: dict[str, Any]) -> Any:
        with pytest.raises(UnknownAttribute, match="running model's conditioning"):
            _ = facts["cond"][0]
        return True

    assert in_step(probed, ask)
