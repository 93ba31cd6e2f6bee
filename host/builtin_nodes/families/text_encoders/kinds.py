"""What text encoders from files of their own are used for, and how they are then called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from host.builtin_nodes.families.clip_text.layout import ClipTextLayout
from host.builtin_nodes.families.clip_text.part import clip_pair_part, clip_text_part
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.t5.plugin import T5Family
from host.builtin_nodes.families.text_encoders.encoders import CLIP_G, CLIP_L, T5, Encoders, encoders_part
from sdk import NodeError
from sdk.models import Header, Identity, Part

USE_FACT = "text_encoders.for"
"""Fact that says what the encoders are used for: a key of ``USES``."""


@dataclass(frozen=True)
class Use:
    """A model that takes text encoders from files of their own.

    Attributes:
        model: as messages name it.
        sets: the sets of encoders it takes, each sorted.
        part: makes the part of such a set.
    """

    model: str
    sets: tuple[tuple[str, ...], ...]
    part: Callable[[Header, Encoders], Part]


class UnfitEncoders(NodeError):
    """Files can't be the text encoders of the model they were chosen for.

    Attributes:
        use: the model, a key of ``USES``.
        reason: in a few words.
    """

    def __init__(self, use: str, reason: str) -> None:
        super().__init__(use, reason)
        self.use, self.reason = use, reason

    def __str__(self) -> str:
        return (
            f"These files can't be the text encoders of {USES[self.use].model}: {self.reason}. "
            "Choose other files, or the model that they belong to."
        )


def check_use(use: str, keys: list[str]) -> None:
    """Refuse encoders that a model doesn't take.

    Raises:
        LayoutError: they are others; the reason names what it takes.
    """
    if tuple(sorted(keys)) not in USES[use].sets:
        wanted = " or ".join(" + ".join(names) for names in USES[use].sets)
        raise LayoutError(f"it takes {wanted}; these are {' + '.join(keys) or 'none'}")


def _one_clip(header: Header, encoders: Encoders) -> Part:
    from host.builtin_nodes.families.sd1 import adapters as sd1
    from host.builtin_nodes.families.sd2 import adapters as sd2
    from host.builtin_nodes.families.sdxl_refiner import adapters as refiner

    (layout,) = encoders.clips
    adapters: Mapping[str, Any] = {CLIP_L: sd1, "clip_h": sd2, CLIP_G: refiner}
    return clip_text_part(header, layout, adapters[layout.key].text_encoder(layout))


def _cascade(header: Header, encoders: Encoders) -> Part:
    """The last layer's states without the final norm; prompts are padded with the end token, which nobody looks at."""
    from host.builtin_nodes.families.clip_text.adapter import ClipTextAdapter
    from host.builtin_nodes.text.clip_tokens import CLIP_G as TOKENS_G

    (layout,) = encoders.clips
    tokens = replace(TOKENS_G, pad=TOKENS_G.end)
    return clip_text_part(header, layout, ClipTextAdapter(tokens, layout.positions, final_norm=False, masked=True))


def _sdxl(header: Header, encoders: Encoders) -> Part:
    from host.builtin_nodes.families.sdxl.text import text_encoders

    ordered = sorted(encoders.clips, key=_clip_order)
    return clip_pair_part(header, ordered, text_encoders({layout.key: layout.positions for layout in ordered}))


def _sd3(header: Header, encoders: Encoders) -> Part:
    from host.builtin_nodes.families.sd3.config import TEXT_ENCODERS
    from host.builtin_nodes.families.sd3.text import sd3_text_adapter

    return encoders_part(header, encoders, sd3_text_adapter(encoders, header.path), TEXT_ENCODERS)


def _flux(header: Header, encoders: Encoders) -> Part:
    from host.builtin_nodes.families.flux.config import TEXT_ENCODERS
    from host.builtin_nodes.families.flux.text import flux_text_adapter

    return encoders_part(header, encoders, flux_text_adapter(encoders, header.path), TEXT_ENCODERS)


def _mochi(header: Header, encoders: Encoders) -> Part:
    assert encoders.t5 is not None
    prefix, config = encoders.t5
    facts = {"prefix": prefix, "t5": config.as_json()}
    identity = Identity(family="t5", kind="text_encoder", config=facts, because="a loader says so")
    (part,) = T5Family().parts(header, identity)
    return part


def _clip_order(layout: ClipTextLayout) -> int:
    return (CLIP_L, CLIP_G).index(layout.key)


USES: Mapping[str, Use] = {
    "stable_diffusion": Use("Stable Diffusion", ((CLIP_L,), ("clip_h",), (CLIP_G,)), _one_clip),
    "stable_cascade": Use("Stable Cascade", ((CLIP_G,),), _cascade),
    "sdxl": Use("Stable Diffusion XL", ((CLIP_G, CLIP_L),), _sdxl),
    "sd3": Use(
        "Stable Diffusion 3",
        ((CLIP_L,), (CLIP_G,), (T5,), (CLIP_G, CLIP_L), (CLIP_L, T5), (CLIP_G, T5), (CLIP_G, CLIP_L, T5)),
        _sd3,
    ),
    "flux": Use("Flux", ((CLIP_L, T5),), _flux),
    "mochi": Use("Mochi", ((T5,),), _mochi),
}
