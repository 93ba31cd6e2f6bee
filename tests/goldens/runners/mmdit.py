"""Transformer families (Stable Diffusion 3, Flux): denoiser, VAE, text encoding and whole runs of tiny models.

As for UNets, everything goes through a checkpoint file that the model manager identifies and opens.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from host.builtin_nodes.families.flux.plugin import FluxFamily
from host.builtin_nodes.families.sd3.plugin import Sd3Family
from host.builtin_nodes.families.t5.plugin import T5Family
from host.builtin_nodes.families.t5.vocabulary import NoT5Vocabulary
from host.builtin_nodes.lora.plugin import register_patch_formats
from host.builtin_nodes.model_sampling import model_sampling_flux, model_sampling_sd3
from host.builtin_nodes.sampler_nodes import ksampler
from host.builtin_nodes.sampling.parametrisation import Parametrisation
from host.builtin_nodes.sampling.registry import SCHEDULERS
from host.builtin_nodes.text.chunks import Chunk
from host.builtin_nodes.text.clip_tokens import TokenizedPrompt
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import Device, ModelSettings
from sdk.models import CONFIG_METADATA
from tests.goldens.runners import Unimplemented
from tests.goldens.runners.family import SCHEDULE_RTOL, UNREACHED, Case, check_vae, pooled_output
from tests.goldens.runners.family_models import CPU, TinyModel
from tests.goldens.runners.mmdit_patches import run_patch_case
from tests.goldens.runners.synthetic_weights import synthetic_weights

ENCODERS = {"clip_l": "l", "clip_g": "g", "t5xxl": "t5xxl"}
"""What the reference calls each encoder's tokens."""


def cases(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.json") if not path.name.endswith(".manifest.json"))


def run(folder: Path, name: str, tmp_path: Path, device: Device = CPU) -> None:
    # The models are so small that threads wait for each other most of the time.
    torch.set_num_threads(1)
    case = TransformerCase(folder, name, tmp_path, device)
    found = (check for pattern, check in CHECKS.items() if fnmatch(f"{folder.name}/{name}", f"*{pattern}"))
    check = check_patches if case.has_patches else next(found, None)
    if check is None:
        raise Unimplemented(f"{folder.name}/{name}")
    check(case)


class TransformerCase(Case):
    """A case with its numbers, its tensors and its model."""

    @property
    def model(self) -> TinyModel:
        return tiny_transformer(self.folder, self.tmp_path.parent, self.device)


@cache
def tiny_transformer(folder: Path, directory: Path, device: Device) -> TinyModel:
    """The model of a family's folder, whose checkpoint is written into ``directory`` once."""
    manifest = json.loads((folder / "model.manifest.json").read_text(encoding="utf-8"))
    path = directory / f"{folder.name}.safetensors"
    save_file(synthetic_weights(manifest), path, metadata={CONFIG_METADATA: json.dumps(_facts(manifest["config"]))})
    if vocabulary := t5_vocabulary(folder):
        (directory / "tokenizer.json").write_bytes(vocabulary.read_bytes())
    families = [Sd3Family(), FluxFamily(), T5Family()]
    settings = ModelSettings(dtype="fp32")
    manager = ModelManager(Library([directory]), families, register_patch_formats(), device, settings)
    return TinyModel(path, manager)


def t5_vocabulary(folder: Path) -> Path | None:
    """The T5 vocabulary in a folder above the reference data; the repository has none of its own."""
    places = (parent / "assets" / "t5" / "tokenizer.json" for parent in folder.absolute().parents)
    return next((place for place in places if place.is_file()), None)


def _facts(config: Mapping[str, Any]) -> dict[str, Any]:
    """What the shapes of a model smaller than real ones can't tell."""
    transformer = config.get("transformer")
    if transformer is None:
        return {}
    heads = {f"{key}.heads": config[key]["heads"] for key in ("clip_l", "clip_g") if key in config}
    if "rope_axes_dim" in transformer:
        return {**heads, "flux.rotary": transformer["rope_axes_dim"]}
    return {**heads, "mmdit.heads": transformer["num_heads"]}


@torch.no_grad()
def check_denoiser(case: Case) -> None:
    given = case.given
    extra = {"vector": given["y"]} | ({"guidance": given["guidance"]} if "guidance" in given else {})
    with case.model.borrowed("denoiser") as (module, adapter):
        raw = adapter.forward(module, given["x"], given["timestep"], given["context"], **extra)
        case.check(raw, "raw")
        parametrisation = adapter.parametrisation
        torch.testing.assert_close(parametrisation.timestep(given["sigma"]), given["timestep"])
        level = given["sigma"][:, None, None, None]
        case.check(parametrisation.denoised(level, raw, given["x"]), "denoised")


def check_lone_text(case: Case) -> None:
    """T5 alone, whose padding is kept from taking part."""
    (chunk,) = _chunks(case.given["tokens_t5xxl"], case.given["weights_t5xxl"])
    with case.model.borrowed("text_encoder") as (module, adapter):
        found = adapter.encode(module, TokenizedPrompt((chunk,)), {})
        case.check(found.states, "cond")
        assert found.pooled is None
        try:
            (read,) = adapter.tokenize(case.params["prompt"]).chunks
        except NoT5Vocabulary:
            return
    assert (read.tokens, len(read)) == (chunk.tokens, 256)


def check_text(case: Case) -> None:
    """The states of the case's own tokens, and, where a vocabulary is at hand, the tokens of its prompt."""
    tokens = {
        key: TokenizedPrompt(_chunks(case.given[f"tokens_{name}"], case.given[f"weights_{name}"]))
        for key, name in ENCODERS.items()
        if f"tokens_{name}" in case.given
    }
    with case.model.borrowed("text_encoder") as (module, adapter):
        found = adapter.encode(module, tokens, {})
        case.check(found.states, "cond")
        case.check(found.pooled, "pooled")
        try:
            read = adapter.tokenize(case.params["prompt"])
        except NoT5Vocabulary:
            return
    for key, prompt in read.items():
        assert [chunk.tokens for chunk in prompt.chunks] == [chunk.tokens for chunk in tokens[key].chunks]
        for chunk, expected in zip(prompt.chunks, tokens[key].chunks, strict=True):
            torch.testing.assert_close(torch.tensor(chunk.weights), torch.tensor(expected.weights), atol=0, rtol=0)


def _chunks(ids: Tensor, weights: Tensor) -> tuple[Chunk, ...]:
    rows = zip(ids.tolist(), weights.tolist(), strict=True)
    return tuple(Chunk(tuple(tokens), tuple(emphasis), (0,) * len(tokens)) for tokens, emphasis in rows)


def check_schedules(case: Case) -> None:
    model = case.model.handles["denoiser"]
    own = model.adapter.parametrisation
    for name, expected in case.expected.items():
        if name == "sigma_table_sample":
            found = own.sigmas[case.given["sigma_table_index"]]
        elif name.startswith("percent_to_sigma_"):
            found = torch.tensor(own.percent_to_sigma(float(name.rpartition("_")[2])))
            if expected > UNREACHED:
                assert found > UNREACHED
                continue
        elif "_shift" in name:
            shifted = model_sampling_sd3(model=model, shift=float(name.partition("_shift")[2]))
            found = _scheduled(name.partition("_shift")[0], shifted.options["parametrisation"])
        elif "_fluxshift_" in name:
            width, height = map(int, name.rpartition("_")[2].split("x"))
            shifted = model_sampling_flux(model=model, width=width, height=height)
            found = _scheduled(name.partition("_fluxshift_")[0], shifted.options["parametrisation"])
        else:
            found = _scheduled(name, own)
        torch.testing.assert_close(found, expected, atol=case.atol, rtol=SCHEDULE_RTOL)


def _scheduled(name: str, parametrisation: Parametrisation) -> Tensor:
    """``sigmas_<scheduler>_<steps>`` of that parametrisation."""
    scheduler, _, steps = name.removeprefix("sigmas_").rpartition("_")
    functions = {record.name: record.function for record in SCHEDULERS}
    found: Tensor = functions[scheduler](parametrisation, int(steps))
    return found


def check_run(case: Case) -> None:
    """A KSampler run; the noise it draws for the seed must be the reference's."""
    given, params = case.given, case.params
    noise = torch.randn(given["noise"].shape, generator=torch.Generator().manual_seed(params["seed"]))
    torch.testing.assert_close(noise, given["noise"])
    extra = {"guidance": params["guidance"]} if "guidance" in params else {}
    latent = {"samples": given["latent_in"]} | ({"noise_mask": given["mask"]} if "mask" in given else {})
    result = ksampler(
        model=case.model.handles["denoiser"],
        seed=params["seed"],
        steps=params["steps"],
        cfg=params["cfg"],
        sampler_name=params["sampler"],
        scheduler=params["scheduler"],
        positive=[[given["positive"], {**extra, **pooled_output(given, "positive")}]],
        negative=[[given["negative"], {**extra, **pooled_output(given, "negative")}]],
        latent_image=latent,
        denoise=params["denoise"],
        context=case.model.context(case.tmp_path),
    )
    case.check(result["samples"], "latent")


def check_patches(case: Case) -> None:
    run_patch_case(case, ENCODERS)


CHECKS: Mapping[str, Callable[[Case], None]] = {
    "dit_*": check_denoiser,
    "vae_*": check_vae,
    "te_mochi_t5/*": check_lone_text,
    "/te_*": check_text,
    "schedules": check_schedules,
    "sample_*": check_run,
}
