"""``comfy.samplers`` and ``comfy.sample`` name the host's samplers and run them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from host.comfyui import sampler_names
from host.comfyui.home import Home
from host.comfyui.surface import latent_preview, nodes, sample, samplers
from sdk.errors import NodeError
from tests.support.comfy_probe import ProbedHost


def test_the_lists_are_those_of_the_host(probed: ProbedHost) -> None:
    names = samplers.KSampler.SAMPLERS
    assert names == list(probed.host.services.samplers)
    assert samplers.__getattr__("SAMPLER_NAMES") is names
    assert samplers.__getattr__("SCHEDULER_NAMES") == list(probed.host.services.schedulers)
    assert samplers.__getattr__("KSAMPLER_NAMES") == [
        name for name in names if name not in ("ddim", "uni_pc", "uni_pc_bh2")
    ]
    assert names[0] == "euler"


def test_names_that_packs_append_stay_behind_the_host_s(home: Home) -> None:
    known = ["a", "b"]
    names = sampler_names.NameList(lambda: known)
    names.refreshed().append("mine")
    known[:] = ["b", "c"]
    assert names.refreshed() == ["b", "c", "mine"]
    known.append("mine")
    assert names.refreshed() == ["b", "c", "mine"]


def test_lists_that_nobody_asked_for_are_not_made(home: Home) -> None:
    names = sampler_names.NameList(lambda: pytest.fail("nobody wants to know"))
    assert names == []


def test_levels_are_those_of_the_schedule(probed: ProbedHost) -> None:
    def look(model: Any, _clip: Any, _vae: Any) -> Any:
        return samplers.calculate_sigmas(model.get_model_object("model_sampling"), "karras", 4)

    sigmas = probed.inside(look)
    assert sigmas.shape == (5,)
    assert sigmas[0] == pytest.approx(14.6146, abs=1e-3)
    assert sigmas[-1] == 0


@pytest.mark.parametrize("function", [samplers.sampler_object, lambda name: samplers.calculate_sigmas(None, name, 2)])
def test_an_unknown_name_is_refused_with_the_known_ones(home: Home, function: Any) -> None:
    with pytest.raises(NodeError, match=r"There is no s\w+ called 'no_such'\. Known are: \w+, "):
        function("no_such")


def test_a_sampler_has_options(home: Home) -> None:
    record = samplers.ksampler("euler_ancestral", {"eta": 0.5})
    assert record.name == "euler_ancestral"
    assert record.function.keywords == {"eta": 0.5}  # type: ignore[attr-defined]


def test_noise_is_that_of_the_seed() -> None:
    latent = torch.zeros(2, 4, 3, 3)
    noise = sample.prepare_noise(latent, 7)
    assert noise.equal(torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(7)))
    assert sample.prepare_noise(latent, 7, [1])[0].equal(
        torch.stack([torch.randn(1, 4, 3, 3, generator=g)[0] for g in [torch.Generator().manual_seed(7)] * 2])[1]
    )


def conditioned(clip: Any) -> Any:
    return clip.encode_from_tokens_scheduled(clip.tokenize("a hill"))


def test_a_part_of_the_steps_may_be_run(probed: ProbedHost) -> None:
    def run(model: Any, clip: Any, _vae: Any) -> Any:
        prompt, latent = conditioned(clip), torch.zeros(1, 4, 16, 16)
        noise = sample.prepare_noise(latent, 3)
        common = {"positive": prompt, "negative": prompt, "seed": 3}

        def ran(noise: torch.Tensor, start: torch.Tensor, **more: Any) -> torch.Tensor:
            return sample.sample(
                model, noise, 4, 1.0, "euler", "normal", latent_image=start, disable_pbar=True, **common, **more
            )

        whole = ran(noise, latent)
        half = ran(noise, latent, last_step=2)
        rest = ran(noise * 0, half, start_step=2)
        forced = ran(noise, latent, last_step=2, force_full_denoise=True)
        (by_node,) = nodes.NODE_CLASS_MAPPINGS["KSamplerAdvanced"]().sample(
            model, "enable", 3, 4, 1.0, "euler", "normal", prompt, prompt, {"samples": latent}, 0, 2, "disable"
        )
        return whole, rest, forced, by_node["samples"]

    whole, rest, forced, by_node = probed.inside(run)
    assert (whole - rest).abs().max() < 1e-3 * whole.abs().max()
    assert forced.equal(by_node)


def test_a_run_with_a_mask_keeps_what_it_leaves_out(probed: ProbedHost) -> None:
    def run(model: Any, clip: Any, _vae: Any) -> Any:
        latent, mask = torch.full((1, 4, 16, 16), 0.3), torch.zeros(1, 1, 16, 16)
        mask[..., 8:] = 1
        prompt = conditioned(clip)
        noise = sample.prepare_noise(latent, 3)
        sampler = samplers.sampler_object("euler")
        sigmas = samplers.KSampler(model, 3, "cpu", "euler", "karras", 1.0).sigmas
        return samplers.sample(
            model, noise, prompt, prompt, 1.0, None, sampler, sigmas, latent_image=latent, denoise_mask=mask, seed=3
        )

    result = probed.inside(run)
    assert result[..., :8].allclose(torch.full((1, 4, 16, 8), 0.3), atol=1e-5)
    assert not result[..., 8:].allclose(torch.full((1, 4, 16, 8), 0.3), atol=1e-2)


def test_options_that_are_given_take_the_place_of_the_model_s(probed: ProbedHost) -> None:
    def run(model: Any, clip: Any, _vae: Any) -> Any:
        prompt, latent, called = conditioned(clip), torch.zeros(1, 4, 16, 16), []

        def after(name: str) -> Any:
            def look(facts: dict[str, Any]) -> Any:
                called.append(name)
                return facts["denoised"]

            return look

        model.set_model_sampler_post_cfg_function(after("the model's"))
        given = {"sampler_post_cfg_function": [after("given")]}
        sampler, sigmas = samplers.sampler_object("euler"), torch.tensor([1.0, 0.0])
        common: dict[str, Any] = {"latent_image": latent, "seed": 1}
        for options in (None, {}, model.model_options, given):
            samplers.sample(model, latent, prompt, prompt, 1.0, None, sampler, sigmas, options, **common)
        run = samplers.KSampler(model, 1, "cpu", "euler", "normal", model_options=given)
        run.sample(latent, prompt, prompt, 1.0, latent, seed=1)
        return called

    assert probed.inside(run) == ["the model's"] * 3 + ["given"] * 2


def test_without_a_seed_a_run_draws_one(probed: ProbedHost) -> None:
    def run(model: Any, clip: Any, _vae: Any) -> Any:
        prompt, latent = conditioned(clip), torch.zeros(1, 4, 16, 16)
        run = samplers.KSampler(model, 2, "cpu", "euler_ancestral", "normal")
        noise = sample.prepare_noise(latent, 1)
        return [run.sample(noise, prompt, prompt, 1.0, latent) for _ in range(2)]

    first, second = probed.inside(run)
    assert not first.equal(second)


def test_each_step_is_told(probed: ProbedHost) -> None:
    def run(model: Any, clip: Any, _vae: Any) -> Any:
        told: list[tuple[int, int]] = []
        seen: dict[str, Any] = {}
        shows = latent_preview.prepare_callback(model, 3, seen)

        def callback(step: int, x0: Any, x: Any, total: int) -> None:
            told.append((step, total))
            shows(step, x0, x, total)

        prompt, latent = conditioned(clip), torch.zeros(1, 4, 16, 16)
        run = samplers.KSampler(model, 3, "cpu", "euler", "normal")
        run.sample(sample.prepare_noise(latent, 1), prompt, prompt, 1.0, latent, callback=callback, seed=1)
        assert latent_preview.get_previewer("cpu", model.model.latent_format) is None
        return told, seen["x0"].shape

    assert probed.inside(run) == ([(0, 3), (1, 3), (2, 3)], (1, 4, 16, 16))


def test_an_empty_latent_gets_the_model_s_channels(probed: ProbedHost) -> None:
    fixed = probed.inside(lambda model, clip, vae: sample.fix_empty_latent_channels(model, torch.zeros(1, 16, 8, 8)))
    assert fixed.shape == (1, 4, 8, 8)
