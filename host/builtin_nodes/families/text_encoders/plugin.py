"""The family of text encoders from files of their own that are opened together for one denoiser."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from host.builtin_nodes.families.clip_text.layout import ClipTextLayout, find_clip_text
from host.builtin_nodes.families.clip_text.names import ORIGINAL_TOKENS, TEXT_MODEL, TOKENS
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.stated_facts import stated_facts
from host.builtin_nodes.families.t5.config import find_t5, t5_config
from host.builtin_nodes.families.text_encoders.encoders import CLIP_G, CLIP_L, Encoders, encoders_from_json
from host.builtin_nodes.families.text_encoders.kinds import USE_FACT, USES, check_use
from sdk import Header, Identity, ModelFamily, Part, Refusal, hookimpl

DEVICE_FACT = "device"
_PLACES = ("", "model.", "transformer.", "text_encoder.", "text_encoders.")
_BELOW = {CLIP_L: "clip_l.", CLIP_G: "clip_g.", "t5": "t5xxl."}
_KEYS_BY_WIDTH = {1024: "clip_h", 1280: CLIP_G}


class TextEncodersFamily:
    """CLIP and T5 encoders in one to three files, opened together by a loader that says what they are for."""

    name = "text_encoders"

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether these are text encoders that serve the model a loader has named."""
        try:
            facts = stated_facts(header)
            use = facts.get(USE_FACT)
            if use is None:
                return Refusal("it was not opened by a loader of text encoders")
            if use not in USES:
                return Refusal(f"text encoders are used for {', '.join(USES)}, and not for {use!r}")
            encoders = _read(header, facts)
            check_use(use, encoders.keys)
        except LayoutError as error:
            return Refusal(error.reason)
        return Identity(
            family=self.name,
            kind="text_encoder",
            config={
                "for": use,
                "encoders": encoders.as_json(),
                "text_encoders": encoders.keys,
                DEVICE_FACT: facts.get(DEVICE_FACT),
            },
            because=f"it has {' and '.join(encoders.keys)}, and a loader says that they are for {USES[use].model}",
        )

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """The one part ``text_encoder``."""
        return [USES[identity.config["for"]].part(header, encoders_from_json(identity.config["encoders"]))]


def _read(header: Header, facts: Mapping[str, Any]) -> Encoders:
    """The encoder of each file; raises LayoutError where there is none, or one twice."""
    clips: list[ClipTextLayout] = []
    t5 = None
    for name in dict.fromkeys(key.partition(".")[0] for key in header.tensors):
        own = {fact.removeprefix(f"{name}."): value for fact, value in facts.items() if fact.startswith(f"{name}.")}
        clip = _clip(header, f"{name}.", own)
        t5_prefix = next((p for place in _places("t5") if (p := find_t5(header, f"{name}.{place}")) is not None), None)
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


def _places(kind: str) -> list[str]:
    return [place + below for place in _PLACES for below in ("", _BELOW[kind], _BELOW[kind] + "transformer.")]


def _clip(header: Header, start: str, facts: Mapping[str, Any]) -> ClipTextLayout | None:
    tables = (TOKENS, TEXT_MODEL + TOKENS, ORIGINAL_TOKENS)
    places = [*_places(CLIP_L), *_places(CLIP_G)]
    found = ((start + place, header.shape(start + place + table)) for place in places for table in tables)
    prefix, shape = next(((prefix, shape) for prefix, shape in found if shape), ("", None))
    if shape is None:
        return None
    stated = facts.get("text_encoder")
    key = str(stated) if stated in (CLIP_L, CLIP_G, "clip_h") else _KEYS_BY_WIDTH.get(shape[-1], CLIP_L)
    return find_clip_text(header, prefix, key, facts, projected=key != CLIP_L)


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [TextEncodersFamily()]


@hookimpl
def choose_device(identity: Identity) -> str | None:
    """Where a loader of text encoders wants them."""
    chosen = identity.config.get(DEVICE_FACT) if identity.family == TextEncodersFamily.name else None
    return str(chosen) if chosen is not None else None
