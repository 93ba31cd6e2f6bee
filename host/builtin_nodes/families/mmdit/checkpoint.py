"""What there is in a file beside a transformer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from host.builtin_nodes.families.kl_vae.config import KlVaeConfig, has_vae, vae_config, vae_sources
from host.builtin_nodes.families.text_encoders.encoders import Encoders, find_encoders
from sdk.models import Header

TRANSFORMER_PREFIX = "model.diffusion_model."
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


def read_checkpoint(header: Header, encoder_prefixes: Mapping[str, str], facts: Mapping[str, Any]) -> Checkpoint:
    """Where the transformer, the text encoders and the autoencoder of a file are.

    Raises:
        LayoutError: a text encoder or the autoencoder is of impossible dimensions.
    """
    prefix = TRANSFORMER_PREFIX if any(key.startswith(TRANSFORMER_PREFIX) for key in header.tensors) else ""
    vae_prefix = next((place for place in _VAE_PREFIXES if has_vae(header, place)), None)
    vae = None if vae_prefix is None else vae_config(header, vae_sources(header, vae_prefix))
    return Checkpoint(prefix, find_encoders(header, encoder_prefixes, facts), vae_prefix, vae)
