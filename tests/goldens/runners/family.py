"""Model families: denoiser, VAE, text encoding and whole runs of tiny models, through files as users have them.

The checkpoint is written from the manifest with synthetic weights, identified, opened and borrowed by the model
manager, and sampled by the nodes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from host.builtin_nodes.sampler_nodes import ksampler
from host.builtin_nodes.sampling.registry import SCHEDULERS
from host.models.residency.devices import Device
from tests.goldens.runners import Unimplemented
from tests.goldens.runners.family_models import CPU, TinyModel, tiny_model
from tests.goldens.runners.family_text import encode_text_case

FAMILIES = ("sd1", "sd1_inpaint", "sd2", "sd2_v", "sdxl", "refiner", "te_longclip_l", "te_cascade_g")
SCHEDULE_RTOL = 1e-6
UNREACHED = 1e8
"""Levels above it stand for "before everything"."""


def cases(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.json") if not path.name.endswith(".manifest.json"))


def run(folder: Path, name: str, tmp_path: Path, device: Device = CPU) -> None:
    if folder.name not in FAMILIES:
        raise Unimplemented(f"the model family {folder.name}")
    # The models are so small that threads wait for each other most of the time.
    torch.set_num_threads(1)
    case = Case(folder, name, tmp_path, device)
    check = check_patches if case.has_patches else next((CHECKS[key] for key in CHECKS if fnmatch(name, key)), None)
    if check is None:
        raise Unimplemented(f"{folder.name}/{name}")
    check(case)


class Case:
    """A case with its numbers, its tensors and its model."""

    def __init__(self, folder: Path, name: str, tmp_path: Path, device: Device = CPU) -> None:
        self.folder, self.name, self.tmp_path, self.device = folder, name, tmp_path, device
        record = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        self.params: Mapping[str, Any] = record["params"]
        self.manifests: list[str] = record["manifests"]
        self.atol: float = record["tolerance"]["suggested"]["atol"]
        tensors = load_file(folder / f"{name}.safetensors")
        self.given = {key.removeprefix("in."): value for key, value in tensors.items() if key.startswith("in.")}
        self.expected = {key.removeprefix("out."): value for key, value in tensors.items() if key.startswith("out.")}

    @property
    def has_patches(self) -> bool:
        """Whether it is about weight changes, whatever its name is."""
        return "lora_manifest" in self.params

    @cached_property
    def model(self) -> TinyModel:
        return tiny_model(self.folder, self.tmp_path.parent, self.device)

    def check(self, found: Tensor, name: str) -> None:
        torch.testing.assert_close(found, self.expected[name], atol=self.atol, rtol=0)


@torch.no_grad()
def check_denoiser(case: Case) -> None:
    extra = network_inputs(case.given)
    with case.model.borrowed("denoiser") as (module, adapter):
        raw = adapter.forward(module, case.given["x"], case.given["timestep"], case.given["context"], **extra)
        case.check(raw, "raw")
        if "x_noisy" not in case.given:
            return
        sigma, x = case.given["sigma"], case.given["x_noisy"]
        level, parametrisation = sigma[:, None, None, None], adapter.parametrisation
        timestep = parametrisation.timestep(sigma)
        assert timestep.tolist() == case.expected["timestep_of_sigma"].tolist()
        scaled = parametrisation.model_input(level, x)
        output = adapter.forward(module, scaled, timestep, case.given["context"], **extra)
        case.check(parametrisation.denoised(level, output, x), "denoised")


@torch.no_grad()
def check_vae(case: Case) -> None:
    with case.model.borrowed("vae") as (module, adapter):
        tiles = {"tile": case.params["tile_x"], "overlap": case.params["overlap"]} if case.params else None
        if "z" not in case.given:
            image = case.given["image"]
            found = adapter.encode_tiled(module, image, **tiles) if tiles else adapter.encode(module, image)
            case.check(found, "latent")
            return
        latent = case.given["z"]
        found = adapter.decode_tiled(module, latent, **tiles) if tiles else adapter.decode(module, latent)
        case.check(found, "image")
        if "image_raw" in case.expected:
            case.check(module.decode(latent).sample, "image_raw")


def network_inputs(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What a case hands the network beside sample, timestep and context."""
    return {"vector": given["y"]} if "y" in given else {}


def check_vector(case: Case) -> None:
    """The conditioning vector of sizes (and of a prompt's side, where no score is given)."""
    options = {**case.params, "pooled_output": case.given["pooled"]}
    adapter = case.model.handles["denoiser"].adapter
    found = adapter.inputs(options, torch.zeros(1, 4, 8, 8), None)
    side = case.params.get("prompt_side")
    case.check(found[f"{side} vector" if f"{side} vector" in found else "vector"], "y")


def check_text(case: Case) -> None:
    states, pooled = encode_text_case(case.model, case.params, case.given, case.tmp_path)
    case.check(states, "cond")
    assert pooled is not None
    case.check(pooled, "pooled")


def check_schedules(case: Case) -> None:
    parametrisation = case.model.handles["denoiser"].adapter.parametrisation
    schedulers = {scheduler.name: scheduler.function for scheduler in SCHEDULERS}
    for name, expected in case.expected.items():
        kind, _, argument = name.rpartition("_")
        if name == "sigma_table":
            found = parametrisation.sigmas
        elif kind == "percent_to_sigma":
            found = torch.tensor(parametrisation.percent_to_sigma(float(argument)))
            if expected > UNREACHED:
                assert found > UNREACHED
                continue
        else:
            found = schedulers[kind.removeprefix("sigmas_")](parametrisation, int(argument))
        torch.testing.assert_close(found, expected, atol=case.atol, rtol=SCHEDULE_RTOL)


def check_run(case: Case, apply: Callable[[Any, Any], tuple[Any, Any]] = lambda *prompts: prompts) -> None:
    """A KSampler run; the noise it draws for the seed must be the reference's. ``apply`` changes the prompts."""
    given, params = case.given, case.params
    torch.testing.assert_close(
        torch.randn(given["noise"].shape, generator=torch.Generator().manual_seed(params["seed"])), given["noise"]
    )
    extra = {name: given[name] for name in ("concat_latent_image", "concat_mask") if name in given}
    sizes = params.get("size_conditioning", {})
    # The refiner's score is the positive prompt's; the negative one keeps its default.
    unscored = {name: value for name, value in sizes.items() if name != "aesthetic_score"}
    mask = given.get("noise_mask", given.get("mask"))
    latent = {"samples": given["latent_in"], **({} if mask is None else {"noise_mask": mask})}
    context = case.model.context(case.tmp_path)
    positive, negative = apply(
        [[given["positive"], {**extra, **sizes, **pooled_output(given, "positive")}]],
        [[given["negative"], {**extra, **unscored, **pooled_output(given, "negative")}]],
    )
    result = ksampler(
        model=case.model.handles["denoiser"],
        seed=params["seed"],
        steps=params["steps"],
        cfg=params["cfg"],
        sampler_name=params["sampler"],
        scheduler=params["scheduler"],
        positive=positive,
        negative=negative,
        latent_image=latent,
        denoise=params["denoise"],
        context=context,
    )
    case.check(result["samples"], "latent")
    assert context.said[-1][0] == context.said[-1][1]


def pooled_output(given: Mapping[str, Tensor], side: str) -> dict[str, Tensor]:
    """The pooled vector of a side's prompt, where the case has one."""
    name = f"{side}_pooled"
    return {"pooled_output": given[name]} if name in given else {}


def check_patches(case: Case) -> None:
    try:
        from tests.goldens.runners import family_patches
    except ImportError as error:
        raise Unimplemented("weight patches (LoRA and its kin)") from error
    family_patches.run_patch_case(case.folder, case.name, case.tmp_path)


def check_control(case: Case) -> None:
    from tests.goldens.runners import family_control

    family_control.check(case)


CHECKS: Mapping[str, Callable[[Case], None]] = {
    **dict.fromkeys(("controlnet_*", "t2i_adapter_*"), check_control),
    "unet*": check_denoiser,
    "vector_conditioning*": check_vector,
    "vae_*": check_vae,
    "te_*": check_text,
    "ti_*": check_text,
    "schedules": check_schedules,
    "sample_*": check_run,
}
