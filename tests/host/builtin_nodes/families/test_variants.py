"""Every family asked about the checkpoints of the field: claimed by the right one alone, or by none with a reason."""

from __future__ import annotations

import pytest

from host.builtin_nodes.families.places import DENOISER_PLACES
from sdk import Identity, Refusal
from tests.goldens.runners.family_models import families
from tests.host.builtin_nodes.families.real_headers import header_of
from tests.host.builtin_nodes.families.variants import (
    UNET,
    Tensors,
    after,
    below,
    in_fp8,
    moving_averages,
    packed,
    shaped,
    tensors_of,
    with_more,
    without,
)

FAMILIES = {family.name: family for family in families()}

DENOISERS = {
    "sd15_pruned_fp16": "sd1",
    "sd21_base": "sd2",
    "sdxl_base": "sdxl",
    "sdxl_refiner": "sdxl_refiner",
    "sd3_medium": "sd3",
    "sd35_medium": "sd3",
    "flux_dev": "flux",
    "flux_schnell": "flux",
    "sd15_unet_diffusers": "sd1",
    "sdxl_unet_diffusers": "sdxl",
    "sd3_medium_transformer_diffusers": "sd3",
    "flux_dev_transformer_diffusers": "flux",
}


def _answers(tensors: Tensors) -> tuple[dict[str, Identity], dict[str, str]]:
    """Who claims a file, and why the others don't."""
    answers = {name: family.identify(header_of(tensors)) for name, family in FAMILIES.items()}
    claims = {name: answer for name, answer in answers.items() if isinstance(answer, Identity)}
    return claims, {name: answer.reason for name, answer in answers.items() if isinstance(answer, Refusal)}


def _denoiser(kind: str) -> Tensors:
    tensors = tensors_of(kind)
    return below(UNET, tensors) or tensors


@pytest.mark.parametrize("place", DENOISER_PLACES)
@pytest.mark.parametrize("kind", DENOISERS)
def test_a_denoiser_alone_is_known_wherever_its_names_begin(kind: str, place: str) -> None:
    claims, _ = _answers(after(place, _denoiser(kind)))
    assert list(claims) == [DENOISERS[kind]]
    assert claims[DENOISERS[kind]].kind == "denoiser"


_SD1, _SD2, _SDXL = (tensors_of(kind) for kind in ("sd15_pruned_fp16", "sd21_base", "sdxl_base"))
_FLUX, _SD35, _SD3 = (tensors_of(kind) for kind in ("flux_dev", "sd35_large", "sd3_medium_incl_clips_t5"))
_CLIP, _T5, _VAE, _FLUX_VAE = (tensors_of(kind) for kind in ("clip_l", "t5xxl", "vae_sd_kl_f8", "vae_flux_ae"))
_FIRST, _FLUX_FIRST = "input_blocks__0__0__weight", "img_in__weight"

KNOWN: dict[str, tuple[str, Tensors]] = {
    "SD 1 with moving averages": ("sd1", _SD1 | moving_averages(below(UNET, _SD1))),
    "SD 1 with what training left": ("sd1", with_more(_SD1, logvar=[1000], first_stage_model__loss__logvar=[])),
    "SD 1 with an embedding": ("sd1", with_more(_SD1, embedding_manager__string_to_param_dict__x=[4, 768])),
    "SD 1, text encoder as transformers once had it": (
        "sd1",
        {key.replace("transformer.text_model.", "transformer."): entry for key, entry in _SD1.items()},
    ),
    "SD 1 without autoencoder": ("sd1", without(_SD1, "first_stage_model.")),
    "SD 1 without text encoder": ("sd1", without(_SD1, "cond_stage_model.")),
    "SD 1 for inpainting": ("sd1", shaped(_SD1, **{_FIRST: [320, 9, 3, 3]})),
    "SD 1 for edits": ("sd1", shaped(_SD1, **{_FIRST: [320, 8, 3, 3]})),
    "SD 1 in fp8": ("sd1", in_fp8(_SD1)),
    "SD 1 that predicts v": ("sd1", with_more(_SD1, v_pred=[], ztsnr=[])),
    "SD XL for inpainting": ("sdxl", shaped(_SDXL, **{_FIRST: [320, 9, 3, 3]})),
    "SD XL for edits": ("sdxl", shaped(_SDXL, **{_FIRST: [320, 8, 3, 3]})),
    "CosXL for edits": ("sdxl", shaped(tensors_of("sdxl_cosxl"), **{_FIRST: [320, 8, 3, 3]})),
    "SD XL in fp8 with scales": ("sdxl", in_fp8(_SDXL, "scale_weight", UNET + "scaled_fp8")),
    "SD XL with what training left": ("sdxl", with_more(_SDXL, denoiser__sigmas=[1000])),
    "Flux fill": ("flux", shaped(_FLUX, **{_FLUX_FIRST: [3072, 384]})),
    "Flux depth": ("flux", shaped(_FLUX, **{_FLUX_FIRST: [3072, 128]})),
    "Flux in fp8": ("flux", in_fp8(_FLUX)),
    "Flux in fp8 with scales": ("flux", in_fp8(_FLUX, "scale_weight", "scaled_fp8")),
    "Flux with eight double blocks": (
        "flux",
        without(_FLUX, *(f"double_blocks.{number}." for number in range(8, 19))),
    ),
    "SD 3.5 in fp8 with scales": ("sd3", in_fp8(_SD35, "scale_weight", UNET + "scaled_fp8")),
    "SD 3 with a copy of T5's vocabulary": (
        "sd3",
        with_more(_SD3, text_encoders__t5xxl__transformer__encoder__embed_tokens__weight=[32128, 4096]),
    ),
    "a whole ControlNet checkpoint": ("controlnet", _SD1 | tensors_of("controlnet_sd15_cldm")),
    "CLIP-L cut out of SD 1": ("clip_text", after("cond_stage_model.transformer.", _CLIP)),
    "CLIP-L cut out of SD XL": ("clip_text", after("conditioner.embedders.0.transformer.", _CLIP)),
    "CLIP-L cut out of SD 3": ("clip_text", after("text_encoders.clip_l.transformer.", _CLIP)),
    "CLIP-G cut out of SD XL": ("clip_text", after("conditioner.embedders.1.model.", tensors_of("clip_g_openclip"))),
    "T5 cut out of SD 3": ("t5", after("text_encoders.t5xxl.transformer.", _T5)),
    "T5 of a pipeline": ("t5", after("text_encoder_2.", _T5)),
    "T5 in fp8 with scales": ("t5", in_fp8(_T5, "scale_weight", "scaled_fp8")),
    "an autoencoder with moving averages": ("kl_vae", with_more(_VAE, model_ema__decay=[], loss__logvar=[])),
    "an autoencoder cut out of SD 1": ("kl_vae", after("first_stage_model.", _VAE)),
}


@pytest.mark.parametrize("name", KNOWN)
def test_variants_of_known_files_are_known(name: str) -> None:
    family, tensors = KNOWN[name]
    claims, refusals = _answers(tensors)
    assert list(claims) == [family], refusals.get(family)


_DIFFUSERS = tensors_of("sd15_unet_diffusers")
_XL_DIFFUSERS = tensors_of("sdxl_unet_diffusers")
_CHROMA = {
    key: entry
    for key, entry in without(_FLUX, "vector_in", "guidance_in", "time_in").items()
    if "mod" not in key and "adaLN" not in key
}
_FLUX2_VAE = shaped(_FLUX_VAE, decoder__conv_in__weight=[512, 32, 3, 3], encoder__conv_out__weight=[64, 512, 3, 3])

UNKNOWN: dict[str, tuple[str, str, Tensors]] = {
    "no tensors": ("sd1", "no UNet", {}),
    "SD 2 for depth": ("sd2", "maps 5 channels to 4", shaped(_SD2, **{_FIRST: [320, 5, 3, 3]})),
    "the upscaler by four": ("sd2", "label_emb", with_more(_SD2, model__diffusion_model__label_emb__weight=[9])),
    "a UNet of a latent consistency model": (
        "sd1",
        "time_embedding.cond_proj",
        with_more(_DIFFUSERS, time_embedding__cond_proj__weight=[320, 256]),
    ),
    "Kolors": ("sdxl", "encoder_hid_proj", with_more(_XL_DIFFUSERS, encoder_hid_proj__weight=[2048, 4096])),
    "a UNet with an image prompt's layers": (
        "sd1",
        "to_k_ip",
        with_more(_DIFFUSERS, mid_block__attentions__0__transformer_blocks__0__attn2__processor__to_k_ip__weight=[9]),
    ),
    "a UNet with GLIGEN's layers": (
        "sd1",
        "fuser",
        with_more(_SD1, **{f"{UNET}middle_block__1__transformer_blocks__0__fuser__alpha_attn".replace(".", "__"): []}),
    ),
    "SD 1 with layers over time": (
        "sd1",
        "layers over time",
        _SD1 | after(UNET, tensors_of("animatediff_v3_motion_module")),
    ),
    "SD XL without its second text encoder": ("sdxl", "only clip_l", without(_SDXL, "conditioner.embedders.1.")),
    "Flux in nf4": ("flux", "packed in a way that isn't known here", packed(_FLUX, "nf4")),
    "Flux in NVFP4": ("flux", "packed in a way that isn't known here", packed(_FLUX, "nvfp4")),
    "Flux in int8": ("flux", "packed in a way that isn't known here", packed(_FLUX, "int8")),
    "Chroma": ("flux", "no matrix vector_in", _CHROMA),
    "Hunyuan's video model": (
        "flux",
        "no matrix img_in",
        with_more(without(_FLUX, "img_in"), img_in__proj__weight=[1]),
    ),
    "SD 3's text encoders": ("clip_text", "there are 3 text encoders", below("", without(_SD3, UNET, "first_stage"))),
    "umT5": (
        "t5",
        "as umT5 has",
        with_more(_T5, encoder__block__1__layer__0__SelfAttention__relative_attention_bias__weight=[32, 64]),
    ),
    "T5 with its decoder": ("t5", "more in it", with_more(_T5, decoder__final_layer_norm__weight=[4096])),
    "the autoencoder of Flux 2": (
        "kl_vae",
        "normalised channel by channel",
        with_more(_FLUX2_VAE, bn__running_mean=[9]),
    ),
    "an autoencoder with a codebook": ("kl_vae", "codebook", with_more(_VAE, quantize__embedding__weight=[8192, 4])),
    "an asymmetric autoencoder": ("kl_vae", "begins with 768", shaped(_VAE, decoder__conv_in__weight=[768, 4, 3, 3])),
    "a deterministic autoencoder": ("kl_vae", "gives 4", shaped(_VAE, encoder__conv_out__weight=[4, 512, 3, 3])),
    "an autoencoder that looks at a mask": (
        "kl_vae",
        "condition_encoder",
        with_more(tensors_of("vae_sd_diffusers"), decoder__condition_encoder__layers__0__weight=[9]),
    ),
    "an upscaler": ("kl_vae", "no two-dimensional", {"conv_first.weight": ("F32", [64, 3, 3, 3])}),
    "an image prompt adapter": ("sd1", "no UNet", {"image_proj.proj.weight": ("F16", [3072, 1024])}),
    "a language model": ("clip_text", "no CLIP", {"model.embed_tokens.weight": ("BF16", [128256, 4096])}),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_files_of_other_kinds_are_claimed_by_nobody_and_everybody_says_why(name: str) -> None:
    nearest, reason, tensors = UNKNOWN[name]
    claims, refusals = _answers(tensors)
    assert claims == {}
    assert refusals.keys() == FAMILIES.keys()
    assert all(refusals.values())
    assert reason in refusals[nearest]
