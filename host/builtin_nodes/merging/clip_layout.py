"""A CLIP text encoder's entries as checkpoints have them: by transformers' names, or by OpenCLIP's."""

# ruff: noqa: TID253 - only node bodies import this module, never the start-up path
from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from host.builtin_nodes.families.clip_text.names import (
    FIRST_POSITIONS,
    ORIGINAL_TOKENS,
    OTHER_POSITIONS,
    POSITIONS,
    PROJECTION,
    TEXT_MODEL,
    TOKENS,
    original_sources,
    projection_source,
    transformers_sources,
)
from host.builtin_nodes.families.clip_text.original import original_parts
from host.builtin_nodes.merging.tensor_files import Entry, joined
from sdk import TensorSource

LOGIT_SCALE = "logit_scale"
_ORIGINAL_PROJECTION = PROJECTION.removesuffix(".weight")


def by_transformers_names(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The entries of an encoder by transformers' names; of one in another layout, those that it needs.

    LongCLIP's two tables of positions become the one that they stand for.
    """
    if TEXT_MODEL + TOKENS in entries:
        return dict(entries)
    if ORIGINAL_TOKENS not in entries:
        own = transformers_sources({name: entry.shape for name, entry in entries.items()})
        return {**{TEXT_MODEL + name: entries[name] for name in own}, **_beside(entries)}
    own = original_sources({name: entry.shape for name, entry in entries.items()})
    made = {name: _seen(entries[source.key], source) for name, source in own.items()}
    if FIRST_POSITIONS in made:
        made[POSITIONS] = joined([made.pop(FIRST_POSITIONS), made.pop(OTHER_POSITIONS)])
    return {**{TEXT_MODEL + name: entry for name, entry in made.items()}, **_beside(entries)}


def by_openclip_names(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """The entries of an encoder by OpenCLIP's names; of one in another layout, those that it needs."""
    if ORIGINAL_TOKENS in entries:
        return dict(entries)
    inner = {name.removeprefix(TEXT_MODEL): entry for name, entry in by_transformers_names(entries).items()}
    made = {name: joined([inner[part] for part in parts]) for name, parts in original_parts(inner).items()}
    if PROJECTION in inner:
        made[_ORIGINAL_PROJECTION] = _seen(inner[PROJECTION], TensorSource(PROJECTION, transpose=True))
    return {**made, **{name: inner[name] for name in (LOGIT_SCALE,) if name in inner}}


def _beside(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """What is not below ``text_model``: the projection, and the scale that training compared with."""
    source = projection_source({name: entry.shape for name, entry in entries.items()})
    projection = {} if source is None else {PROJECTION: _seen(entries[source.key], source)}
    return {**projection, **{name: entries[name] for name in (LOGIT_SCALE,) if name in entries}}


def _seen(entry: Entry, source: TensorSource) -> Entry:
    """The entry, transposed or narrowed to some of its rows as a source says."""

    def make() -> Tensor:
        tensor = entry.make()
        tensor = tensor.transpose(0, 1) if source.transpose else tensor
        return tensor if source.narrow is None else tensor.narrow(*source.narrow)

    shape = entry.shape[::-1] if source.transpose else entry.shape
    return Entry(entry.dtype, shape if source.narrow is None else (source.narrow[2], *shape[1:]), make)
