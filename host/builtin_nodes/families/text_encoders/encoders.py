"""Finds CLIP and T5 encoders in a file and makes one part of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from host.builtin_nodes.families.clip_text.layout import ClipTextLayout, clip_text_sources, find_clip_text
from host.builtin_nodes.families.clip_text.part import TEXT_ENCODER, clip_patch_names, passed_over, unneeded
from host.builtin_nodes.families.t5.config import T5Config, find_t5, t5_config, t5_copies, t5_patch_names, t5_sources
from sdk.models import Header, Part, TensorSource

CLIP_L, CLIP_G, T5 = "clip_l", "clip_g", "t5xxl"
_PROJECTED = (CLIP_G,)


@dataclass(frozen=True)
class Encoders:
    """The text encoders of a file, by their keys.

    Attributes:
        clips: layouts of the CLIP encoders, in the order of their keys.
        t5: prefix and dimensions of a T5 encoder, if there is one.
    """

    clips: tuple[ClipTextLayout, ...] = ()
    t5: tuple[str, T5Config] | None = None

    @property
    def keys(self) -> list[str]:
        """Which encoders there are: ``clip_l``, ``clip_g``, ``t5xxl``."""
        return [layout.key for layout in self.clips] + ([] if self.t5 is None else [T5])

    def as_json(self) -> dict[str, Any]:
        """The fields, as ``encoders_from_json`` takes them."""
        t5 = None if self.t5 is None else {"prefix": self.t5[0], **self.t5[1].as_json()}
        return {"clips": [layout.as_json() for layout in self.clips], "t5": t5}


def encoders_from_json(fields: Mapping[str, Any]) -> Encoders:
    """The reverse of ``Encoders.as_json``."""
    t5 = None if fields["t5"] is None else dict(fields["t5"])
    clips = tuple(ClipTextLayout(**layout) for layout in fields["clips"])
    return Encoders(clips, None if t5 is None else (t5.pop("prefix"), T5Config(**t5)))


def find_encoders(header: Header, prefixes: Mapping[str, str], facts: Mapping[str, Any]) -> Encoders:
    """The encoders of a file.

    Args:
        prefixes: what precedes each possible encoder's names, by its key.
        facts: ``<key>.heads`` where a head hasn't 64 channels.

    Raises:
        LayoutError: there is one, but of impossible dimensions.
    """
    clips = []
    for key in (CLIP_L, CLIP_G):
        places = [prefixes[key] + "transformer.", prefixes[key]] if key in prefixes else []
        found = (find_clip_text(header, place, key, facts, projected=key in _PROJECTED) for place in places)
        clips += [layout for layout in found if layout is not None][:1]
    t5_prefix = find_t5(header, prefixes[T5]) if T5 in prefixes else None
    return Encoders(tuple(clips), None if t5_prefix is None else (t5_prefix, t5_config(header, t5_prefix)))


def encoders_part(header: Header, encoders: Encoders, adapter: Any, numbering: Sequence[str]) -> Part:
    """The part ``text_encoder``; its module has each encoder under its key.

    ``numbering`` has the keys in the order in which files of changes count them: ``lora_te1``, ``lora_te2`` …
    """
    own = {layout.key: clip_text_sources(header, layout) for layout in encoders.clips}
    if encoders.t5 is not None:
        own[T5] = t5_sources(header, encoders.t5[0])

    def patch_names() -> Mapping[str, str]:
        numbers = {key: number for number, key in enumerate(numbering, start=1)}
        names: dict[str, str] = {}
        for key, weights in own.items():
            for alias, name in _patch_names(key, weights, numbers[key]).items():
                names.setdefault(alias, f"{key}.{name}")
        return names

    return Part(
        name=TEXT_ENCODER,
        build=_builder(encoders),
        weights=_below_keys(own.items()),
        adapter=adapter,
        patch_names=patch_names,
        passed_over=passed_over(header, encoders.clips) | _passed_over_of_t5(header, encoders),
    )


def _passed_over_of_t5(header: Header, encoders: Encoders) -> frozenset[str]:
    if encoders.t5 is None:
        return frozenset()
    prefix, _ = encoders.t5
    return unneeded(header, [prefix, prefix.removesuffix("transformer.")]) | t5_copies(header, prefix)


def _below_keys(own: Iterable[tuple[str, Mapping[str, TensorSource]]]) -> dict[str, TensorSource]:
    return {f"{key}.{name}": replace(source) for key, sources in own for name, source in sources.items()}


def _patch_names(key: str, weights: Mapping[str, TensorSource], number: int) -> dict[str, str]:
    if key == T5:
        return t5_patch_names(weights, number, key)
    kohya = ("lora_te1", "lora_te") if number == 1 else (f"lora_te{number}",)
    dotted = ("text_encoder",) if number == 1 else (f"text_encoder_{number}",)
    return clip_patch_names(key, weights, kohya, dotted)


def _builder(encoders: Encoders) -> Callable[[], object]:
    def build() -> object:
        from torch.nn import ModuleDict

        from host.builtin_nodes.families.clip_text.module import build_clip_text

        modules = {layout.key: build_clip_text(layout) for layout in encoders.clips}
        if encoders.t5 is not None:
            from host.builtin_nodes.families.t5.module import build_t5

            modules[T5] = build_t5(encoders.t5[1])
        return ModuleDict(modules).eval()

    return build
