"""Tells Stable Diffusion 1.x files from all others by their header."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from host.builtin_nodes.families.clip_text.part import check_clip_text, find_clip_text
from host.builtin_nodes.families.kl_vae.config import KlVaeConfig, has_vae, vae_config, vae_sources
from host.builtin_nodes.families.ldm_unet.config import UnetConfig, unet_shape
from host.builtin_nodes.families.ldm_unet.names import original_names
from host.builtin_nodes.families.refusals import LayoutError
from sdk.models import CONFIG_METADATA, Header

CHECKPOINT_PREFIX = "model.diffusion_model."
VAE_PREFIX = "first_stage_model."
TEXT_PREFIX = "cond_stage_model.transformer."

LATENT_CHANNELS = 4
INPUT_CHANNELS = {4: "plain", 8: "edit by instruction", 9: "inpainting"}
_HEADS = 8
_V_PREDICTION_KEY = "v_pred"
_ZERO_SNR_KEY = "ztsnr"


@dataclass(frozen=True, kw_only=True)
class Sd1Layout:
    """What a Stable Diffusion 1.x file holds and where.

    Attributes:
        unet_prefix: what precedes the UNet's names; "" in files of a UNet alone.
        diffusers: the UNet has diffusers' names.
        prediction: "eps" or "v".
        zero_snr: the noise table is rescaled so that its last level has no signal.
        vae, text_prefix, text_heads: None where there is no such part, or where the rule of one head per 64
            channels holds.
    """

    unet_prefix: str
    diffusers: bool
    unet: UnetConfig
    prediction: str
    zero_snr: bool
    vae: KlVaeConfig | None
    text_prefix: str | None
    text_heads: int | None


def read_layout(header: Header) -> Sd1Layout:
    """The layout of a Stable Diffusion 1.x file.

    Raises:
        LayoutError: it is no such file; the reason says what gave it away.
    """
    _refuse_others(header)
    prefix = next((p for p in (CHECKPOINT_PREFIX, "") if f"{p}input_blocks.0.0.weight" in header.tensors), "")
    diffusers = not prefix and "conv_in.weight" in header.tensors
    facts = _stated_facts(header)
    unet = _unet(header, prefix, diffusers, facts)
    text_prefix = find_clip_text(header, TEXT_PREFIX)
    if text_prefix:
        check_clip_text(header, text_prefix, unet.context_channels)
    vae = vae_config(header, vae_sources(header, VAE_PREFIX)) if has_vae(header, VAE_PREFIX) else None
    return Sd1Layout(
        unet_prefix=prefix,
        diffusers=diffusers,
        unet=unet,
        prediction=_prediction(header, facts),
        zero_snr=_ZERO_SNR_KEY in header.tensors,
        vae=vae,
        text_prefix=text_prefix,
        text_heads=_whole_number(facts, "clip_l.heads"),
    )


def unet_names(header: Header, prefix: str, *, diffusers: bool) -> dict[str, str]:
    """The file's key for each weight of the UNet's module.

    Raises:
        LayoutError: a tensor has no place in such a UNet.
    """
    if diffusers:
        return {key: key for key in header.tensors}
    marks = (_V_PREDICTION_KEY, _ZERO_SNR_KEY)
    keys = [key.removeprefix(prefix) for key in header.tensors if key.startswith(prefix) and key not in marks]
    return {name: prefix + key for name, key in original_names(keys).items()}


def _refuse_others(header: Header) -> None:
    tensors = header.tensors
    first, last = ("input_blocks.0.0.weight", "conv_in.weight"), ("out.2.weight", "conv_out.weight")
    places = [*first, CHECKPOINT_PREFIX + first[0]]
    if not any(key in tensors for key in places):
        raise LayoutError("there is no UNet of latent diffusion in it")
    if not any(key in tensors for key in (*last, CHECKPOINT_PREFIX + last[0])):
        raise LayoutError("its UNet has no output, as in a control network")
    for prefix, sign in (
        ("cond_stage_model.model.", "it has an OpenCLIP text encoder, as Stable Diffusion 2 does"),
        ("conditioner.", "it has several text encoders, as Stable Diffusion XL does, or an image encoder"),
    ):
        if any(key.startswith(prefix) for key in tensors):
            raise LayoutError(sign)


def _unet(header: Header, prefix: str, diffusers: bool, facts: Mapping[str, Any]) -> UnetConfig:
    if any(".time_stack." in key or ".motion_modules." in key for key in header.tensors):
        raise LayoutError("its UNet has layers over time, as video models have")
    names = unet_names(header, prefix, diffusers=diffusers)
    shape = unet_shape({name: header.tensors[key].shape for name, key in names.items()})
    fields = shape.fields
    if fields["vector_channels"] or any(name.startswith(("class_emb", "add_emb")) for name in names):
        raise LayoutError("its UNet takes a conditioning vector, as Stable Diffusion XL does")
    if fields["linear_projections"]:
        raise LayoutError("its transformers begin with a linear layer, as in Stable Diffusion 2 and XL")
    if fields["out_channels"] != LATENT_CHANNELS or fields["in_channels"] not in INPUT_CHANNELS:
        raise LayoutError(f"its UNet maps {fields['in_channels']} channels to {fields['out_channels']}")
    heads = _whole_number(facts, "unet.heads") or _HEADS
    return shape.with_heads([heads] * len(shape.channels))


def _stated_facts(header: Header) -> Mapping[str, Any]:
    text = header.metadata.get(CONFIG_METADATA)
    if text is None:
        return {}
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise LayoutError(f"its metadata {CONFIG_METADATA!r} is no JSON") from error
    if not isinstance(facts, dict):
        raise LayoutError(f"its metadata {CONFIG_METADATA!r} is no JSON object")
    return facts


def _whole_number(facts: Mapping[str, Any], name: str) -> int | None:
    value = facts.get(name)
    if value is not None and (type(value) is not int or value < 1):
        raise LayoutError(f"its metadata {CONFIG_METADATA!r} has {name} = {value!r}")
    return value


def _prediction(header: Header, facts: Mapping[str, Any]) -> str:
    stated = facts.get("prediction") or header.metadata.get("modelspec.prediction_type")
    if stated in ("v", "v_prediction") or _V_PREDICTION_KEY in header.tensors:
        return "v"
    if stated in (None, "eps", "epsilon"):
        return "eps"
    raise LayoutError(f"its metadata says that it predicts {stated!r}")
