"""Finds the halves of a tiny autoencoder in a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.stated_facts import stated_facts
from sdk.models import Header, TensorSource

WIDTH = 64
DOWNSCALE = 8
ENCODER, DECODER = "encoder", "decoder"
_FIRST = {ENCODER: "0.weight", DECODER: "1.weight"}
_LAST = {ENCODER: "14.weight", DECODER: "19.weight"}
# The original counts the clamp before the decoder's first layer, diffusers doesn't.
_UNCOUNTED = {ENCODER: 0, DECODER: 1}
_NUMBERED = re.compile(r"(\d{1,2})\.(.+)")

SCALES: Mapping[str, tuple[float, float]] = {
    "taesd": (0.18215, 0.0),
    "taesdxl": (0.13025, 0.0),
    "taesd3": (1.5305, 0.0609),
    "taef1": (0.3611, 0.1159),
}
"""Scale and shift of the latents that each kind was trained with."""

SCALE_FACT, SHIFT_FACT = "vae.scale", "vae.shift"
SCALE_KEYS: Mapping[str, str] = {"scale": "vae_scale", "shift": "vae_shift"}
"""Tensors of one number in which a saved autoencoder says which latents it was trained with."""


@dataclass(frozen=True, kw_only=True)
class TinyVaeLayout:
    """A tiny autoencoder inside a file.

    Attributes:
        halves: what precedes the names of the encoder and of the decoder, as far as they are there.
        diffusers: they have diffusers' names.
        scale, shift: ``model = (vae - shift) * scale``; the autoencoder itself works in the model's space.
    """

    halves: Mapping[str, str]
    diffusers: bool
    latent_channels: int
    scale: float
    shift: float

    def as_json(self) -> dict[str, Any]:
        """The fields, as ``TinyVaeLayout(**fields)`` takes them."""
        return {**self.__dict__, "halves": dict(self.halves)}


def read_layout(header: Header) -> TinyVaeLayout:
    """The layout of a file with a tiny autoencoder, or with half of one.

    Which denoiser it is for is stated, or else told by the name of the file or its folder; otherwise latents are the
    network's own. What tensors of the file say of it (``SCALE_KEYS``) isn't looked at.

    Raises:
        LayoutError: it is no such file.
    """
    diffusers = "decoder.layers.0.weight" in header.tensors
    halves = dict(_diffusers_halves() if diffusers else _halves(header))
    if not halves:
        raise LayoutError("there is no tiny autoencoder in it")
    channels = {_channels(header, half, prefix, diffusers) for half, prefix in halves.items()}
    if len(channels) != 1:
        raise LayoutError(f"its encoder and decoder have {' and '.join(map(str, sorted(channels)))} channels")
    facts = stated_facts(header)
    scale, shift = SCALES.get(_kind(header.path), (1.0, 0.0))
    return TinyVaeLayout(
        halves=halves,
        diffusers=diffusers,
        latent_channels=channels.pop(),
        scale=_number(facts, SCALE_FACT, scale),
        shift=_number(facts, SHIFT_FACT, shift),
    )


def tiny_sources(header: Header, layout: TinyVaeLayout) -> dict[str, TensorSource]:
    """Where diffusers' encoder and decoder find their weights."""
    sources: dict[str, TensorSource] = {}
    for half, prefix in layout.halves.items():
        for key in header.tensors:
            match = _NUMBERED.fullmatch(key.removeprefix(prefix)) if key.startswith(prefix) else None
            if match:
                number = int(match[1]) - (0 if layout.diffusers else _UNCOUNTED[half])
                sources[f"{half}.layers.{number}.{match[2]}"] = TensorSource(key)
    return sources


def _kind(path: Path) -> str:
    """The first word that is a kind's name; "" where there is none."""
    words = re.split(r"[^a-z0-9]+", f"{path.name} {path.parent.name}".lower())
    return next((word for word in words if word in SCALES), "")


def named_half(half: str) -> str:
    """What precedes the names of a half where both are in one file."""
    return f"taesd_{half}."


def _diffusers_halves() -> Mapping[str, str]:
    return {half: f"{half}.layers." for half in (ENCODER, DECODER)}


def _halves(header: Header) -> Mapping[str, str]:
    """Prefixes of the halves in the original's names: alone in their file, or each after its name."""
    places = {half: (f"{half}.", named_half(half), "") for half in (ENCODER, DECODER)}
    found = {
        half: next((prefix for prefix in prefixes if _is_half(header, half, prefix)), None)
        for half, prefixes in places.items()
    }
    return {half: prefix for half, prefix in found.items() if prefix is not None}


def _is_half(header: Header, half: str, prefix: str) -> bool:
    first, last = header.shape(prefix + _FIRST[half]), header.shape(prefix + _LAST[half])
    if not first or not last or len(first) != 4 or len(last) != 4 or first[0] != WIDTH or last[1] != WIDTH:
        return False
    return (first[1] if half == ENCODER else last[0]) == 3


def _channels(header: Header, half: str, prefix: str, diffusers: bool) -> int:
    number = 14 if half == ENCODER else 1
    key = f"{prefix}{number - (_UNCOUNTED[half] if diffusers else 0)}.weight"
    shape = header.shape(key) or ()
    if len(shape) != 4:
        raise LayoutError(f"{key} has shape {list(shape)}")
    return shape[0] if half == ENCODER else shape[1]


def _number(facts: Mapping[str, Any], name: str, default: float) -> float:
    value = facts.get(name, default)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise LayoutError(f"its metadata has {name} = {value!r}")
    return float(value)
