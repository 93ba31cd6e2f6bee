"""Real files of transformers, their text encoders and autoencoders: what the header alone tells."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import torch

from host.builtin_nodes.families.flux.plugin import FluxFamily
from host.builtin_nodes.families.kl_vae.plugin import KlVaeFamily
from host.builtin_nodes.families.sd3.plugin import Sd3Family
from host.builtin_nodes.families.t5.plugin import T5Family
from host.builtin_nodes.families.taesd.plugin import TinyVaeFamily
from host.models.files.recast import with_scales_applied
from host.models.loading import assemble
from sdk import Header, Identity, Refusal, TensorInfo
from tests.host.builtin_nodes.families.real_headers import real_header
from tests.support.weight_files import HeaderOnly

SD3, FLUX, T5 = Sd3Family(), FluxFamily(), T5Family()
SD3_SIZES = {
    "hidden_size": 1536,
    "depth": 24,
    "heads": 24,
    "head_size": 64,
    "context_dim": 4096,
    "pooled_dim": 2048,
    "pos_embed_max_size": 192,
    "qk_norm": None,
    "x_block_self_attn_layers": [],
    "patch_size": 2,
}
FLUX_SIZES = {
    "hidden_size": 3072,
    "heads": 24,
    "head_size": 128,
    "double_blocks": 19,
    "single_blocks": 38,
    "context_dim": 4096,
    "pooled_dim": 768,
    "rope_axes_dim": [16, 56, 56],
    "rope_theta": 10000,
    "mlp_ratio": 4,
    "patch_size": 2,
    "in_channels": 16,
}
LARGE = {"hidden_size": 2432, "depth": 38, "heads": 38, "qk_norm": "rms"}
MEDIUM = {"pos_embed_max_size": 384, "qk_norm": "rms", "x_block_self_attn_layers": list(range(13))}
SD3_FILES = {
    "sd3_medium": ({}, [], True),
    "sd3_medium_incl_clips": ({}, ["clip_l", "clip_g"], True),
    "sd3_medium_incl_clips_t5": ({}, ["clip_l", "clip_g", "t5xxl"], True),
    "sd35_large": (LARGE, [], True),
    "sd35_medium": (MEDIUM, [], True),
    "sd3_medium_transformer_diffusers": ({}, [], False),
}
FLUX_FILES = {
    "flux_dev": ({}, [], True),
    "flux_schnell": ({}, [], False),
    "flux_fill": ({"in_channels": 96}, [], True),
    "flux_depth_canny": ({"in_channels": 32}, [], True),
    "flux_dev_all_in_one": ({}, ["clip_l", "t5xxl"], True),
    "flux_schnell_all_in_one": ({}, ["clip_l", "t5xxl"], False),
    "flux_dev_transformer_diffusers": ({}, [], True),
}
WHOLE = [*SD3_FILES, *FLUX_FILES, "t5xxl", "taesd_encoder", "taesd3_decoder", "vae_sd3", "vae_flux_ae"]
FAMILIES = {"sd3": SD3, "flux": FLUX, "t5xx": T5, "taes": TinyVaeFamily(), "vae_": KlVaeFamily()}


def _identity(family: Any, header: Header) -> Identity:
    answer = family.identify(header)
    assert isinstance(answer, Identity), answer
    return answer


@pytest.mark.parametrize("kind", SD3_FILES)
def test_a_stable_diffusion_3_file_says_all_of_its_dimensions(kind: str) -> None:
    sizes, encoders, with_vae = SD3_FILES[kind]
    config = _identity(SD3, real_header(kind)).config

    assert config["dims"] == {**SD3_SIZES, **sizes}
    assert (config["prediction"], config["text_encoders"]) == ("flow", encoders)
    assert (config["latent_channels"], config["latent_scale"], config["latent_shift"]) == (16, 1.5305, 0.0609)
    assert bool(config["vae"]) == with_vae
    assert not config["vae"] or (config["vae"]["latent_channels"], config["vae"]["quantised"]) == (16, False)


@pytest.mark.parametrize("kind", FLUX_FILES)
def test_a_flux_file_says_all_of_its_dimensions(kind: str) -> None:
    sizes, encoders, guidance = FLUX_FILES[kind]
    config = _identity(FLUX, real_header(kind)).config

    assert config["dims"] == {**FLUX_SIZES, **sizes}
    assert (config["prediction"], config["text_encoders"]) == ("flow", encoders)
    assert (config["latent_channels"], config["latent_scale"], config["latent_shift"]) == (16, 0.3611, 0.1159)
    assert config["guidance_embed"] == guidance
    assert bool(config["vae"]) == ("all_in_one" in kind)


@pytest.mark.parametrize(("kind", "sigma"), [("flux_dev", 0.7595), ("flux_schnell", 0.5), ("sd35_large", 0.75)])
def test_levels_are_moved_as_the_model_was_trained(kind: str, sigma: float) -> None:
    family, header = FAMILIES[kind[:4] if kind.startswith("flux") else "sd3"], real_header(kind)
    denoiser = next(part for part in family.parts(header, _identity(family, header)) if part.name == "denoiser")
    assert denoiser.adapter.parametrisation.percent_to_sigma(0.5) == pytest.approx(sigma, abs=1e-4)


def test_t5_xxl_says_its_dimensions() -> None:
    config = _identity(T5, real_header("t5xxl")).config
    assert config["text_encoders"] == ["t5xxl"]
    assert config["t5"] == {
        "vocabulary": 32128,
        "width": 4096,
        "inner": 10240,
        "layers": 24,
        "heads": 64,
        "head": 64,
        "buckets": 32,
    }


def test_scaled_weights_of_eight_bits_are_noticed() -> None:
    header = real_header("t5xxl_scaled_fp8")
    read = with_scales_applied(HeaderOnly(header)).header

    assert _identity(T5, read).config["quantisation"] == "fp8 e4m3 with per-tensor scale_weight"
    assert not any("scale" in key for key in read.tensors)
    assert {info.dtype for info in read.tensors.values()} == {"BF16", "F16"}
    assert isinstance(T5.identify(header), Identity)


@pytest.mark.parametrize(
    ("kind", "channels"), [("taesd_encoder", 4), ("taesd_decoder", 4), ("taesd3_encoder", 16), ("taesd3_decoder", 16)]
)
def test_half_a_tiny_autoencoder_says_which_half_it_is(kind: str, channels: int) -> None:
    config = _identity(TinyVaeFamily(), real_header(kind)).config
    assert (config["latent_channels"], config["halves"]) == (channels, kind.rpartition("_")[2])


@pytest.mark.parametrize("kind", WHOLE)
def test_every_weight_of_the_modules_has_a_source_of_its_shape(kind: str) -> None:
    family = next(family for start, family in FAMILIES.items() if kind.startswith(start))
    header = real_header(kind)
    parts = family.parts(header, _identity(family, header))
    for part in parts:
        others = frozenset(source.key for other in parts if other is not part for source in other.weights.values())
        assembled = assemble(part, header, others)
        assert all(name.endswith("position_ids") for name in assembled.fixed)


@pytest.mark.parametrize("kind", [*SD3_FILES, *FLUX_FILES])
def test_a_header_is_known_within_50_milliseconds_and_survives_json(kind: str) -> None:
    header = real_header(kind)
    times = []
    for _ in range(5):
        start = time.thread_time()
        identity = _identity(SD3 if kind.startswith("sd3") else FLUX, header)
        times.append(time.thread_time() - start)
    assert min(times) < 0.05
    assert json.loads(json.dumps(identity.config)) == identity.config


def test_a_transformer_of_another_kind_is_refused_with_what_gave_it_away() -> None:
    for family, kind, reason in (
        (FLUX, "sd35_large", "no double blocks"),
        (SD3, "flux_dev", "no joint blocks"),
        (FLUX, "mochi_preview_dit", "no double blocks"),
        (T5, "clip_l", "no T5 encoder"),
        (T5, "flux_dev_all_in_one", "more in it than"),
    ):
        answer = family.identify(real_header(kind))
        assert isinstance(answer, Refusal)
        assert reason in answer.reason


@pytest.mark.parametrize(
    ("family", "kind", "key"),
    [
        (FLUX, "flux_dev", "img_in.weight"),
        (SD3, "sd3_medium", "context_embedder.weight"),
        (T5, "t5xxl", "shared.weight"),
    ],
)
def test_packed_weights_are_named_where_shapes_would_tell_dimensions(family: Any, kind: str, key: str) -> None:
    header = real_header(kind)
    whole = next(name for name in header.tensors if name.endswith(key))
    rows, columns = header.tensors[whole].shape
    packed = header.tensors | {whole: TensorInfo("U8", (rows * columns // 2, 1))}

    answer = family.identify(Header(header.path, packed, header.metadata))
    assert isinstance(answer, Refusal)
    assert answer.reason == f"its weights are packed in a way that isn't known here ({whole} is U8)"


@torch.no_grad()
def test_building_the_largest_header_allocates_nothing() -> None:
    header = real_header("flux_dev")
    (part,) = FLUX.parts(header, _identity(FLUX, header))
    module = assemble(part, header).module
    assert sum(tensor.numel() for tensor in module.parameters()) == 11_901_408_320
    assert sum(tensor.untyped_storage().nbytes() for tensor in module.parameters()) < 2**20
