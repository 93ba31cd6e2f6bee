"""A transformer from a file in diffusers' layout, as files in the original layout have it."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from host.builtin_nodes.families.flux.config import FluxConfig
from host.builtin_nodes.families.flux.config import layer_table as flux_layers
from host.builtin_nodes.families.mmdit.layers import LayerTable
from host.builtin_nodes.families.sd3.config import Sd3Config, positions_key
from host.builtin_nodes.families.sd3.config import layer_table as sd3_layers
from host.builtin_nodes.merging.errors import UnsuitableLayout
from host.builtin_nodes.merging.tensor_files import Entry, joined
from sdk import ModelHandle

_TABLES: Mapping[str, Callable[[Mapping[str, Any]], LayerTable]] = {
    "flux": lambda config: flux_layers(FluxConfig(**config)),
    "sd3": lambda config: sd3_layers(Sd3Config(**config)),
}
_ELSEWHERE = {positions_key(original_layout=False): positions_key(original_layout=True)}
"""Tensors that are no layer's: diffusers' name and the original's."""


def original_entries(model: ModelHandle, entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The entries under the original's names, with the layers that the original has in one put together.

    Args:
        model: the transformer.
        entries: of its file, by diffusers' names.

    Raises:
        UnsuitableLayout: it is of a family whose original layout isn't known, or has tensors with no place in it.
    """
    family = model.identity.family
    if family not in _TABLES:
        raise UnsuitableLayout("denoiser", family, "Load it from a file in the original layout.")
    table = _TABLES[family](model.identity.config["transformer"])
    found = {_ELSEWHERE[name]: entry for name, entry in entries.items() if name in _ELSEWHERE}
    used = set(_ELSEWHERE)
    for original, layers in table.layers.items():
        for kind in ("weight", "bias"):
            names = [f"{layer}.{kind}" for layer in layers]
            if all(name in entries for name in names):
                swapped = not table.halves_swapped.isdisjoint(layers)
                found[_named(original, kind)] = _together([entries[name] for name in names], halves_swapped=swapped)
                used.update(names)
    if strangers := sorted(entries.keys() - used):
        raise UnsuitableLayout(f"denoiser with a tensor {strangers[0]}", family, "Save it in its own layout.")
    return found


def _named(original: str, kind: str) -> str:
    """Norms of queries and keys have a scale in Flux' own code; others a weight."""
    return f"{original}.scale" if original.endswith("_norm") else f"{original}.{kind}"


def _together(entries: Sequence[Entry], *, halves_swapped: bool) -> Entry:
    whole = joined(entries)
    return replace(whole, make=lambda: torch.cat(whole.make().chunk(2)[::-1])) if halves_swapped else whole
