"""What there is in a file beside a transformer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from host.builtin_nodes.families.kl_vae.config import KlVaeConfig, has_vae, vae_config
from host.builtin_nodes.families.kl_vae.part import vae_part
from host.builtin_nodes.families.places import DENOISER_PLACES, find_place
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.text_encoders.encoders import (
    Encoders,
    encoders_from_json,
    encoders_part,
    find_encoders,
)
from sdk.models import Header, Part

if TYPE_CHECKING:
    from host.builtin_nodes.families.interface import LatentFormat
    from host.builtin_nodes.families.text_encoders.adapter import JointTextAdapter

_VAE_PREFIXES = ("first_stage_model.", "vae.")


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds, and where.

    Attributes:
        prefix: what precedes the transformer's names; "" in files of a transformer alone.
        vae_prefix, vae: of the autoencoder, if there is one.
    """

    prefix: str
    encoders: Encoders
    vae_prefix: str | None
    vae: KlVaeConfig | None

    @property
    def kind(self) -> str:
        """``checkpoint`` for a transformer with something else, ``denoiser`` for one alone."""
        return "checkpoint" if self.vae or self.encoders.keys else "denoiser"

    def as_json(self) -> dict[str, Any]:
        """The facts for a file's identity."""
        return {
            "prefix": self.prefix,
            "encoders": self.encoders.as_json(),
            "text_encoders": self.encoders.keys,
            "vae_prefix": self.vae_prefix,
            "vae": None if self.vae is None else self.vae.as_json(),
        }


def transformer_facts(checkpoint: Checkpoint, transformer: Mapping[str, Any], latent: LatentFormat) -> dict[str, Any]:
    """The facts for the identity of a file with a transformer that predicts the flow."""
    return {
        **checkpoint.as_json(),
        "transformer": transformer,
        "prediction": "flow",
        "latent_channels": latent.channels,
        "latent_scale": latent.scale,
        "latent_shift": latent.shift,
    }


def transformer_place(header: Header, marks: Sequence[str], what: str) -> str:
    """What precedes the transformer's names.

    Args:
        marks: names of which every such transformer has one.
        what: what such a transformer has, for the refusal.

    Raises:
        LayoutError: there is no such transformer.
    """
    place = find_place(header, DENOISER_PLACES, marks)
    if place is None:
        raise LayoutError(f"it has no {what}")
    return place


def read_checkpoint(
    header: Header, place: str, encoder_prefixes: Mapping[str, str], facts: Mapping[str, Any]
) -> Checkpoint:
    """Where the text encoders and the autoencoder are in a file whose transformer is at ``place``.

    Raises:
        LayoutError: a text encoder or the autoencoder is of impossible dimensions.
    """
    vae_prefix = next((prefix for prefix in _VAE_PREFIXES if has_vae(header, prefix)), None)
    vae = None if vae_prefix is None else vae_config(header, vae_prefix)
    return Checkpoint(place, find_encoders(header, encoder_prefixes, facts), vae_prefix, vae)


def parts_beside(
    header: Header,
    facts: Mapping[str, Any],
    order: Sequence[str],
    text_adapter: Callable[[Encoders, Path], JointTextAdapter],
) -> Iterator[Part]:
    """The parts ``text_encoder`` and ``vae``, where the file has them.

    Args:
        facts: of the file's identity, with those of ``Checkpoint.as_json``.
        order: of the text encoders.
        text_adapter: makes the adapter for those that are there, of this file.
    """
    encoders = encoders_from_json(facts["encoders"])
    if encoders.keys:
        yield encoders_part(header, encoders, text_adapter(encoders, header.path), order)
    if facts["vae"]:
        yield vae_part(header, facts["vae_prefix"], KlVaeConfig(**facts["vae"]))
