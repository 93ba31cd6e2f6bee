"""Tells text encoders that a loader has opened together, and which ones they are, by their header."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from host.builtin_nodes.families.clip_text.layout import ClipTextLayout, find_clip_text
from host.builtin_nodes.families.clip_text.names import ORIGINAL_TOKENS, TEXT_MODEL, TOKENS
from host.builtin_nodes.families.places import text_encoder_places
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.stated_facts import stated_facts
from host.builtin_nodes.families.t5.config import find_t5, t5_config
from host.builtin_nodes.families.text_encoders.encoders import CLIP_G, CLIP_L, T5, Encoders
from host.builtin_nodes.families.text_encoders.kinds import USE_FACT, USES, check_use
from sdk.models import Header, Identity

FAMILY = "text_encoders"

DEVICE_FACT = "device"

_CLIP_PLACES, _T5_PLACES = text_encoder_places(CLIP_L, CLIP_G), text_encoder_places(T5)
_KEYS_BY_WIDTH = {1024: "clip_h", 1280: CLIP_G}


def detect(header: Header) -> Identity:
    """The identity of text encoders that serve the model a loader has named.

    Raises:
        LayoutError: they are no such encoders; the reason says why.
    """
    facts = stated_facts(header)
    use = facts.get(USE_FACT)
    if use is None:
        raise LayoutError("it was not opened by a loader of text encoders")
    if use not in USES:
        raise LayoutError(f"text encoders are used for {', '.join(USES)}, and not for {use!r}")
    encoders = _read(header, facts)
    check_use(use, encoders.keys)
    return Identity(
        family=FAMILY,
        kind="text_encoder",
        config={
            "for": use,
            "encoders": encoders.as_json(),
            "text_encoders": encoders.keys,
            DEVICE_FACT: facts.get(DEVICE_FACT),
        },
        because=f"it has {' and '.join(encoders.keys)}, and a loader says that they are for {USES[use].model}",
    )


def _read(header: Header, facts: Mapping[str, Any]) -> Encoders:
    """The encoder of each file; raises LayoutError where there is none, or one twice."""
    clips: list[ClipTextLayout] = []
    t5 = None
    for name in dict.fromkeys(key.partition(".")[0] for key in header.tensors):
        own = {fact.removeprefix(f"{name}."): value for fact, value in facts.items() if fact.startswith(f"{name}.")}
        clip = _clip(header, f"{name}.", own)
        t5_prefix = next((p for place in _T5_PLACES if (p := find_t5(header, f"{name}.{place}")) is not None), None)
        if clip is not None:
            clips.append(clip)
        elif t5_prefix is not None and t5 is None:
            t5 = t5_prefix, t5_config(header, t5_prefix)
        else:
            raise LayoutError(f"there is {'a second T5' if t5_prefix else 'no CLIP or T5 encoder'} in the {name} file")
    keys = [layout.key for layout in clips]
    if len(set(keys)) < len(keys):
        raise LayoutError(f"the same kind of text encoder is there twice: {' and '.join(keys)}")
    return Encoders(tuple(sorted(clips, key=lambda layout: layout.key == CLIP_G)), t5)


def _clip(header: Header, start: str, facts: Mapping[str, Any]) -> ClipTextLayout | None:
    tables = (TOKENS, TEXT_MODEL + TOKENS, ORIGINAL_TOKENS)
    found = ((start + place, header.shape(start + place + table)) for place in _CLIP_PLACES for table in tables)
    prefix, shape = next(((prefix, shape) for prefix, shape in found if shape), ("", None))
    if shape is None:
        return None
    stated = facts.get("text_encoder")
    key = str(stated) if stated in (CLIP_L, CLIP_G, "clip_h") else _KEYS_BY_WIDTH.get(shape[-1], CLIP_L)
    return find_clip_text(header, prefix, key, facts, projected=key != CLIP_L)
