"""Autoencoders as files of their own, or whole checkpoints, have them."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from host.builtin_nodes.families.kl_vae.names import module_names
from host.builtin_nodes.families.kl_vae.original import original_names
from host.builtin_nodes.families.taesd.layout import SCALE_KEYS, named_half
from host.builtin_nodes.merging.tensor_files import Entry, entry_of

_LINEAR = ".mid_block.attentions.0.to_"


def original_vae_entries(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The entries of a file in diffusers' layout under the original's names; attention has convolutions of 1 x 1."""
    keys = module_names(entries)
    return {original: _shaped(name, entries[keys[name]]) for name, original in original_names(keys).items()}


def _shaped(name: str, entry: Entry) -> Entry:
    if _LINEAR not in name or len(entry.shape) != 2:
        return entry
    return replace(entry, shape=(*entry.shape, 1, 1), make=lambda: entry.make()[..., None, None])


def tiny_vae_entries(entries: Mapping[str, Entry], layout: Mapping[str, Any], adapter: Any) -> dict[str, Entry]:
    """The entries of a tiny autoencoder, with both halves named and what says which latents it was trained with.

    Args:
        layout: the fields of its ``TinyVaeLayout``.
    """
    places = {} if layout["diffusers"] else {place: named_half(half) for half, place in layout["halves"].items()}
    told = {key: entry_of(torch.tensor(float(getattr(adapter, field)))) for field, key in SCALE_KEYS.items()}
    return {**{_moved(name, places): entry for name, entry in entries.items()}, **told}


def _moved(name: str, places: Mapping[str, str]) -> str:
    place = next((place for place in places if name.startswith(place)), None)
    return name if place is None else places[place] + name.removeprefix(place)
