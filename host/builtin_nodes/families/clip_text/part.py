"""CLIP text encoders as parts that the model manager can load."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from host.builtin_nodes.families.clip_text.layout import ClipTextLayout, clip_text_sources
from host.builtin_nodes.families.clip_text.names import PROJECTION, TEXT_MODEL
from host.builtin_nodes.lora.names import clip_text_names
from sdk.models import Header, Part, TensorSource

TEXT_ENCODER = "text_encoder"
"""Name of the part with a file's text encoders."""

_UNNEEDED = re.compile(r"(text_model\.)?(logit_scale|attn_mask|text_projection(\.weight)?|(embeddings\.)?position_ids)")
_LONE = (("lora_te", "lora_te1"), ("text_encoder", "base_model.model"))
_FIRST = (("lora_te1", "lora_te"), ("text_encoder", "base_model.model"))
_SECOND = (("lora_te2",), ("text_encoder_2",))


def clip_text_part(header: Header, layout: ClipTextLayout, adapter: Any) -> Part:
    """The part ``text_encoder`` for a file with this one encoder; its module is transformers' own."""
    weights = clip_text_sources(header, layout)

    def build() -> object:
        from host.builtin_nodes.families.clip_text.module import build_clip_text

        return build_clip_text(layout)

    return Part(
        name=TEXT_ENCODER,
        build=build,
        weights=weights,
        adapter=adapter,
        patch_names=lambda: clip_patch_names(layout.key, weights, *_LONE),
        passed_over=passed_over(header, [layout]),
    )


def clip_pair_part(header: Header, layouts: Sequence[ClipTextLayout], adapter: Any) -> Part:
    """The part ``text_encoder`` for a file with two encoders; its module has each under its key.

    Files of weight changes call the first ``lora_te1``, the second ``lora_te2``.
    """
    weights = {layout.key: clip_text_sources(header, layout) for layout in layouts}

    def build() -> object:
        from host.builtin_nodes.families.clip_text.module import build_encoders

        return build_encoders(layouts)

    def patch_names() -> Mapping[str, str | TensorSource]:
        names: dict[str, str | TensorSource] = {}
        for (key, sources), spellings in zip(weights.items(), (_FIRST, _SECOND), strict=True):
            for alias, name in clip_patch_names(key, sources, *spellings).items():
                names.setdefault(alias, f"{key}.{name}")
        return names

    return Part(
        name=TEXT_ENCODER,
        build=build,
        weights={f"{key}.{name}": source for key, sources in weights.items() for name, source in sources.items()},
        adapter=adapter,
        patch_names=patch_names,
        passed_over=passed_over(header, layouts),
    )


def passed_over(header: Header, layouts: Sequence[ClipTextLayout]) -> frozenset[str]:
    """Keys of encoders in a file that nothing needs: what training compared, what is computed, unused projections."""
    used = {source.key for layout in layouts for source in clip_text_sources(header, layout).values()}
    places = {layout.prefix.removesuffix(TEXT_MODEL) for layout in layouts}
    return unneeded(header, places | {place.removesuffix("transformer.") for place in places}) - used


def unneeded(header: Header, places: Iterable[str]) -> frozenset[str]:
    """Keys directly below text encoders' places that no encoder needs for prompts."""
    below = ((key, key.removeprefix(place)) for place in places for key in header.tensors if key.startswith(place))
    return frozenset(key for key, name in below if _UNNEEDED.fullmatch(name))


def clip_patch_names(
    key: str, weights: Mapping[str, TensorSource], kohya: Sequence[str], dotted: Sequence[str]
) -> dict[str, str]:
    """Further names for an encoder's weights, in files of weight changes.

    Args:
        key: which encoder it is; ``text_encoders.<key>.transformer`` is always known.
        weights: by the module's names.
        kohya: what precedes paths with underscores.
        dotted: what precedes paths with dots.
    """
    dotted = (*dotted, f"text_encoders.{key}.transformer")
    names = clip_text_names([name for name in weights if name != PROJECTION], kohya=kohya, dotted=dotted)
    if PROJECTION in weights:
        stem = PROJECTION.removesuffix(".weight")
        names |= {f"{prefix}_{stem}": PROJECTION for prefix in kohya}
        names |= {f"{prefix}.{stem}": PROJECTION for prefix in dotted}
    return names
