"""Where the parts of a model go in a single file of the original layout, and what they are called alone."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from host.builtin_nodes.families.interface import WideningAdapter
from host.builtin_nodes.families.kl_vae.names import DIFFUSERS_MARKER, MARKER
from host.builtin_nodes.families.ldm_unet.original import original_paths
from host.builtin_nodes.families.t5.config import module_name
from host.builtin_nodes.families.taesd.detection import FAMILY as TINY_VAE
from host.builtin_nodes.families.text_encoders.encoders import CLIP_G, CLIP_L, T5
from host.builtin_nodes.merging.clip_layout import LOGIT_SCALE, by_openclip_names, by_transformers_names
from host.builtin_nodes.merging.errors import UnsuitableLayout
from host.builtin_nodes.merging.tensor_files import Entry
from host.builtin_nodes.merging.transformer_layout import original_entries
from host.builtin_nodes.merging.vae_layout import original_vae_entries, tiny_vae_entries
from sdk import ModelHandle, StoredPart

DENOISER, VAE = "model.diffusion_model.", "first_stage_model."
_VAE_ELSEWHERE = {"flux": "vae."}
"""What precedes an autoencoder's names in checkpoints of families that don't call it as most do."""

_TEXT_MODEL, _TRANSFORMER, _OPENCLIP = "text_model.", "transformer.", "model."
_BESIDE_TRANSFORMER = {key: f"text_encoders.{key}.transformer." for key in (CLIP_L, CLIP_G, T5)}
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
    """An autoencoder as its file has it, without what precedes its names in checkpoints."""
    config = vae.identity.config
    if vae.identity.family == TINY_VAE:
        return tiny_vae_entries({key: _entry(stored, key) for key in stored.tensors}, config["layout"], vae.adapter)
    places = (config.get("vae_prefix"), config.get("prefix") if vae.identity.kind == "vae" else None, VAE)
    place = next((place for place in places if place and any(key.startswith(place) for key in stored.tensors)), "")
    return {key.removeprefix(place): _entry(stored, key) for key in stored.tensors}


def text_entries(clip: ModelHandle, stored: StoredPart) -> dict[str, dict[str, Entry]]:
    """Each text encoder by its key (``clip_l`` …) as its file has it, without what precedes its names."""
    places = {place: key for key, place, _ in _encoders(clip)}
    # Beside a transformer lies what training needed.
    places = {place.removesuffix(_TRANSFORMER): key for place, key in places.items()} | places
    found: dict[str, dict[str, Entry]] = {key: {} for key in places.values()}
    for key in stored.tensors:
        place = max((place for place in places if key.startswith(place)), key=len)
        found[places[place]][key.removeprefix(place)] = _entry(stored, key)
    return found


def text_facts(clip: ModelHandle) -> dict[str, Any]:
    """What shapes don't tell of its encoders."""
    return {f"{key}.heads": layout["heads"] for key, _, layout in _encoders(clip) if "heads" in layout}


def vae_in_checkpoint(family: str, vae: Mapping[str, Entry]) -> dict[str, Entry]:
    """An autoencoder where a family's checkpoints have it, in the original layout.

    Raises:
        UnsuitableLayout: it is of a kind that checkpoints don't have.
    """
    if MARKER not in vae and DIFFUSERS_MARKER not in vae:
        remedy = "Save it with VAESave, or choose the autoencoder that belongs to this model."
        raise UnsuitableLayout("autoencoder", family, remedy)
    entries = vae if MARKER in vae else original_vae_entries(vae)
    return {_VAE_ELSEWHERE.get(family, VAE) + name: entry for name, entry in entries.items()}


def text_in_checkpoint(family: str, encoders: Mapping[str, Mapping[str, Entry]]) -> dict[str, Entry]:
    """Text encoders where a family's checkpoints have them, in the layout that is usual there.

    Raises:
        UnsuitableLayout: the family has no place for one of them, or its files need others, too.
    """
    places = _TEXT.get(family, {})
    remedy = "Save it with CLIPSave, or choose the text encoder that belongs to this model."
    if strangers := encoders.keys() - places.keys():
        raise UnsuitableLayout(f"text encoder ({', '.join(sorted(strangers))})", family, remedy)
    if places is not _BESIDE_TRANSFORMER and (missing := places.keys() - encoders.keys()):
        raise UnsuitableLayout(f"text encoder without {' and '.join(sorted(missing))}", family, remedy)
    found: dict[str, Entry] = {}
    for key, entries in encoders.items():
        found |= _at(places[key], _as_usual(key, places[key], entries))
    return found


def _as_usual(key: str, place: str, entries: Mapping[str, Entry]) -> dict[str, Entry]:
    if key == T5:
        return {module_name(name): entry for name, entry in entries.items()}
    return by_openclip_names(entries) if place.endswith(f".{_OPENCLIP}") else by_transformers_names(entries)


def _at(place: str, entries: Mapping[str, Entry]) -> dict[str, Entry]:
    beside = place.removesuffix(_TRANSFORMER)
    return {(beside if name == LOGIT_SCALE else place) + name: entry for name, entry in entries.items()}


def _encoders(clip: ModelHandle) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Key, place and layout of each encoder, from the various facts that families keep."""
    config = clip.identity.config
    kept = config.get("encoders", {})
    layouts = kept.get("clips", config.get("text", ()))
    for layout in [layouts] if isinstance(layouts, Mapping) else layouts:
        yield layout["key"], layout["prefix"].removesuffix(_TEXT_MODEL), layout
    t5 = kept.get("t5") or (config if "t5" in config else None)
    if t5:
        yield T5, t5["prefix"], {}


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
