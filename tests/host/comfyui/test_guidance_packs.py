"""A pack that steers sampling as popular ones do works as the host's own nodes for the same things."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from host.app import Host
from host.comfyui import finder
from host.comfyui.home import Home, attach, home
from tests.support.comfy_host import host_with_packs
from tests.support.comfy_packs import write_pack
from tests.support.comfy_probe import module_of
from tests.support.tiny_checkpoint import write_tiny_checkpoint

GUIDANCE_PACK = Path(__file__).parents[2] / "support" / "packs" / "guidance_pack"
KEEPER = """
kept = {}
class Keep:
    RETURN_TYPES = ()
    FUNCTION = "keep"
    OUTPUT_NODE = True
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"latent": ("LATENT",), "name": ("STRING", {})}}
    def keep(self, latent, name):
        kept[name] = latent["samples"]
        return ()
NODE_CLASS_MAPPINGS = {"Keep": Keep}
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Host, Home]:
    base = tmp_path_factory.mktemp("host")
    write_tiny_checkpoint(base / "models" / "checkpoints" / "tiny.safetensors", widths=(32, 64, 128, 128))
    keeper = write_pack(base / "keeper", KEEPER)
    return host_with_packs(base, [GUIDANCE_PACK, keeper]), home()


@pytest.fixture
def host(built: tuple[Host, Home]) -> Iterator[Host]:
    finder.install()
    attach(built[1])
    return built[0]


def sampled(host: Host, *chain: tuple[str, dict[str, Any]], **run: Any) -> torch.Tensor:
    """The latent sampled with the model behind a chain of nodes, each given as its name and its inputs."""
    facts = {"seed": 3, "steps": 3, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0} | run
    prompt: dict[str, Any] = {
        "load": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "tiny.safetensors"}},
        "positive": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["load", 1], "text": "a hill"}},
        "negative": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["load", 1], "text": "fog"}},
        "empty": {"class_type": "EmptyLatentImage", "inputs": {"width": 128, "height": 128, "batch_size": 1}},
        "mask": {"class_type": "SolidMask", "inputs": {"value": 0.6, "width": 16, "height": 16}},
        "masked": {"class_type": "SetLatentNoiseMask", "inputs": {"samples": ["empty", 0], "mask": ["mask", 0]}},
    }
    model = ["load", 0]
    for number, (node, inputs) in enumerate(chain):
        prompt[f"n{number}"] = {"class_type": node, "inputs": {"model": model, **inputs}}
        model = [f"n{number}", 0]
    latent = "masked" if facts.pop("masked", False) else "empty"
    wired = {"model": model, "positive": ["positive", 0], "negative": ["negative", 0], "latent_image": [latent, 0]}
    prompt["sample"] = {"class_type": "KSampler", "inputs": wired | facts}
    prompt["keep"] = {"class_type": "Keep", "inputs": {"latent": ["sample", 0], "name": "it"}}
    host.run(prompt)
    found: torch.Tensor = host.registry.manager.get_plugin("keeper:keeper").module.kept["it"]
    return found


def of_pack(node: str, amount: float) -> tuple[str, dict[str, Any]]:
    return node, {"amount": amount}


def near(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool((one - other).abs().max() <= 2e-4 * other.abs().max())


def test_rescaled_guidance_is_that_of_the_host_s_node(host: Host) -> None:
    theirs = sampled(host, ("RescaleCFG", {"multiplier": 0.7}))
    assert near(sampled(host, of_pack("SpreadKept", 0.7)), theirs)
    assert not near(sampled(host), theirs)


def test_guidance_away_from_a_weakened_network_is_that_of_the_host_s_node(host: Host) -> None:
    theirs = sampled(host, ("PerturbedAttentionGuidance", {"scale": 3.0}))
    assert near(sampled(host, of_pack("PlainAttentionAway", 3.0)), theirs)
    assert not near(sampled(host), theirs)


def test_a_mask_that_changes_on_the_way_is_that_of_the_host_s_node(host: Host) -> None:
    theirs = sampled(host, ("DifferentialDiffusion", {}), masked=True)
    assert near(sampled(host, of_pack("LaterMask", 1.0), masked=True), theirs)
    assert not near(sampled(host, masked=True), theirs)


def test_scaled_blocks_are_those_of_the_host_s_node(host: Host) -> None:
    theirs = sampled(host, ("FreeU", {"b1": 1.4, "b2": 1.4, "s1": 1.0, "s2": 1.0}))
    assert near(sampled(host, of_pack("BackboneScale", 1.4)), theirs)
    assert not near(sampled(host), theirs)


def test_tiles_are_taken_apart_and_put_together_around_attention(host: Host) -> None:
    plain, tiled = sampled(host), sampled(host, of_pack("TiledAttention", 1.0))
    assert tiled.shape == plain.shape
    assert torch.isfinite(tiled).all()
    assert not near(tiled, plain)


def test_a_function_may_change_both_predictions_before_guidance(host: Host) -> None:
    assert near(sampled(host, of_pack("EarlyMean", 0.0)), sampled(host, cfg=1.0))
    assert near(sampled(host, of_pack("EarlyMean", 1.0)), sampled(host))


@pytest.mark.parametrize("masked", [False, True])
def test_nodes_of_packs_and_of_the_host_work_one_behind_the_other(host: Host, masked: bool) -> None:
    free, pag, rescale = of_pack("BackboneScale", 1.4), of_pack("PlainAttentionAway", 3.0), of_pack("SpreadKept", 0.7)
    own_free = ("FreeU", {"b1": 1.4, "b2": 1.4, "s1": 1.0, "s2": 1.0})
    own_rescale = ("RescaleCFG", {"multiplier": 0.7})
    theirs = sampled(host, own_free, ("PerturbedAttentionGuidance", {"scale": 3.0}), own_rescale, masked=masked)
    for chain in ((free, pag, rescale), (own_free, pag, own_rescale), (pag, own_rescale, free)):
        assert near(sampled(host, *chain, masked=masked), theirs)


def test_the_last_formula_wins_whoever_it_is_of(host: Host) -> None:
    own, other = ("RescaleCFG", {"multiplier": 0.2}), of_pack("SpreadKept", 0.7)
    assert near(sampled(host, other, own), sampled(host, own))
    assert near(sampled(host, other, own, of_pack("BackboneScale", 1.0)), sampled(host, own))
    assert near(sampled(host, own, other), sampled(host, other))


def test_a_sampler_that_a_pack_adds_can_be_chosen_everywhere(host: Host) -> None:
    assert "guided_back" in host.services.samplers
    assert "only_for_my_nodes" not in host.services.samplers
    assert near(sampled(host, sampler_name="guided_back"), sampled(host, sampler_name="euler_cfg_pp"))
    assert near(
        sampled(host, sampler_name="guided_back", masked=True), sampled(host, sampler_name="euler_cfg_pp", masked=True)
    )


def test_a_sampler_of_a_pack_sees_the_model_with_what_is_put_into_it(host: Host) -> None:
    chain = (of_pack("PlainAttentionAway", 3.0), of_pack("SpreadKept", 0.7))
    own = (("PerturbedAttentionGuidance", {"scale": 3.0}), ("RescaleCFG", {"multiplier": 0.7}))
    theirs = sampled(host, *own, sampler_name="euler_cfg_pp")
    assert near(sampled(host, *chain, sampler_name="guided_back"), theirs)


def test_a_sampler_of_a_pack_is_told_the_seed(host: Host) -> None:
    sampled(host, sampler_name="guided_back", seed=29)
    assert module_of("guidance_pack.samplers").seeds[-1] == 29


def test_a_function_may_evaluate_the_network_in_parts(host: Host) -> None:
    plain, parts = sampled(host), sampled(host, of_pack("OneAtATime", 1.0))
    assert near(parts, plain)
    assert not near(sampled(host, of_pack("OneAtATime", -1.0)), plain)


def test_functions_in_the_network_work_inside_of_one_that_evaluates_it(host: Host) -> None:
    inside = (of_pack("BackboneScale", 1.4), of_pack("PlainAttentionAway", 3.0), of_pack("PromptScaled", 0.5))
    assert near(sampled(host, *inside, of_pack("OneAtATime", 1.0)), sampled(host, *inside))


def test_the_network_sees_noise_as_the_last_node_says(host: Host) -> None:
    node = ("ModelSamplingDiscrete", {"sampling": "v_prediction", "zsnr": False})
    assert near(sampled(host, of_pack("OneAtATime", 1.0), node), sampled(host, node))


def test_a_function_may_do_the_attention_to_the_prompt(host: Host) -> None:
    assert near(sampled(host, of_pack("PromptScaled", 1.0)), sampled(host))
    assert not near(sampled(host, of_pack("PromptScaled", 0.2)), sampled(host))


def test_a_schedule_that_a_pack_adds_can_be_chosen_everywhere(host: Host) -> None:
    assert "straight" in host.services.schedulers
    assert not near(sampled(host, scheduler="straight"), sampled(host))


def test_another_host_has_none_of_these_names(host: Host, tmp_path: Path) -> None:
    other = host_with_packs(tmp_path, [])
    assert "guided_back" not in other.services.samplers
    assert "guided_back" not in home().sampling.samplers.refreshed()
    assert "straight" not in home().sampling.handlers
