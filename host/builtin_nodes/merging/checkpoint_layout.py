"""Where the parts of a model go in a single file of the original layout, and what they are called alone."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from host.builtin_nodes.families.interface import WideningAdapter
from host.builtin_nodes.families.ldm_unet.original import original_paths
from host.builtin_nodes.merging.errors import UnsuitableLayout
from host.builtin_nodes.merging.tensor_files import Entry
from host.builtin_nodes.merging.transformer_layout import original_entries
from sdk import ModelHandle, StoredPart

DENOISER, VAE = "model.diffusion_model.", "first_stage_model."
_TEXT_MODEL = "text_model."
_BESIDE_TRANSFORMER = {key: f"text_encoders.{key}.transformer." for key in ("clip_l", "clip_g", "t5xxl")}
_TEXT: Mapping[str, Mapping[str, str]] = {
    "sd1": {"clip_l": "cond_stage_model.transformer."},
    "sd2": {"clip_h": "cond_stage_model.model."},
    "sdxl": {"clip_l": "conditioner.embedders.0.transformer.", "clip_g": "conditioner.embedders.1.model."},
    "sdxl_refiner": {"clip_g": "conditioner.embedders.0.model."},
    "sd3": _BESIDE_TRANSFORMER,
    "flux": _BESIDE_TRANSFORMER,
}
"""What precedes the names of each text encoder in a family's checkpoints."""


def denoiser_entries(model: ModelHandle, stored: StoredPart) -> dict[str, Entry]:
    """A denoiser under its usual prefix, with the inputs that a LoRA has added to its first layer.

    Raises:
        UnsuitableLayout: its file has names that can't be told from here.
    """
    config = model.identity.config
    prefix = config.get("unet_prefix", config.get("prefix", ""))
    names = {key: key.removeprefix(prefix) for key in stored.tensors}
    if config.get("diffusers"):
        layers = [len(depths) for depths in config["unet"]["down_depths"]]
        modules = {key: name.replace("add_embedding.", "class_embedding.", 1) for key, name in names.items()}
        originals = original_paths(modules.values(), layers)
        names = {key: originals[name] for key, name in modules.items()}
    entries = {name: _entry(stored, key) for key, name in names.items()}
    if not config.get("transformer", {}).get("original_layout", True):
        entries = original_entries(model, entries)
    if isinstance(model.adapter, WideningAdapter):
        for name, columns in model.adapter.further_columns.items():
            entries[name] = _widened(entries[name], columns)
    return {DENOISER + name: entry for name, entry in entries.items()}


def vae_entries(vae: ModelHandle, stored: StoredPart) -> dict[str, Entry]:
    """An autoencoder, without what precedes its names in checkpoints."""
    config = vae.identity.config
    places = (config.get("vae_prefix"), config.get("prefix") if vae.identity.kind == "vae" else None, VAE)
    place = next((place for place in places if place and any(key.startswith(place) for key in stored.tensors)), "")
    return {key.removeprefix(place): _entry(stored, key) for key in stored.tensors}


def text_entries(clip: ModelHandle, stored: StoredPart) -> dict[str, dict[str, Entry]]:
    """Each text encoder by its key (``clip_l`` …), without what precedes its names."""
    places = {key: place for key, place, _ in _encoders(clip)}
    found: dict[str, dict[str, Entry]] = {key: {} for key in places}
    for key in stored.tensors:
        encoder = max((name for name in places if key.startswith(places[name])), key=lambda name: len(places[name]))
        found[encoder][key.removeprefix(places[encoder])] = _entry(stored, key)
    return found


def text_facts(clip: ModelHandle) -> dict[str, Any]:
    """What shapes don't tell of its encoders."""
    return {f"{key}.heads": layout["heads"] for key, _, layout in _encoders(clip) if "heads" in layout}


def in_checkpoint(family: str, encoders: Mapping[str, Mapping[str, Entry]]) -> dict[str, Entry]:
    """Text encoders where a family's checkpoints have them.

    Raises:
        UnsuitableLayout: the family has no place for one of them.
    """
    places = _TEXT.get(family, {})
    if strangers := encoders.keys() - places.keys():
        remedy = "Save it with CLIPSave, or choose the text encoder that belongs to this model."
        raise UnsuitableLayout(f"text encoder ({', '.join(sorted(strangers))})", family, remedy)
    return {places[key] + name: entry for key, entries in encoders.items() for name, entry in entries.items()}


def _encoders(clip: ModelHandle) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Key, place and layout of each encoder, from the various facts that families keep."""
    config = clip.identity.config
    kept = config.get("encoders", {})
    layouts = kept.get("clips", config.get("text", ()))
    for layout in [layouts] if isinstance(layouts, Mapping) else layouts:
        yield layout["key"], layout["prefix"].removesuffix(_TEXT_MODEL), layout
    t5 = kept.get("t5") or (config if "t5" in config else None)
    if t5:
        yield "t5xxl", t5["prefix"], {}


def _entry(stored: StoredPart, key: str) -> Entry:
    info = stored.header.tensors[key]
    return Entry(info.dtype, info.shape, lambda: stored.tensors[key])


def _widened(entry: Entry, columns: Tensor) -> Entry:
    """A matrix with further columns, in the dtype it has."""

    def make() -> Tensor:
        matrix = entry.make()
        return matrix.new_zeros(shape).copy_(torch.cat([matrix.float(), columns.float().to(matrix.device)], dim=1))

    shape = (entry.shape[0], entry.shape[1] + columns.shape[1])
    return Entry(entry.dtype, shape, make)
