"""The family of VAE files that stand alone."""

from __future__ import annotations

from collections.abc import Sequence

from host.builtin_nodes.families.detection import identified
from host.builtin_nodes.families.kl_vae.config import KlVaeConfig
from host.builtin_nodes.families.kl_vae.detection import FAMILY, detect
from host.builtin_nodes.families.kl_vae.part import vae_part
from sdk import Header, Identity, ModelFamily, Part, Refusal, hookimpl


class KlVaeFamily:
    """Autoencoders alone in their file, in the original layout or diffusers'.

    The header doesn't tell for which denoiser an autoencoder was trained: latent scale and shift are the denoiser's.
    """

    name = FAMILY

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file is a two-dimensional autoencoder alone."""
        return identified(header, detect)

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """The one part ``vae``."""
        return [vae_part(header, identity.config["prefix"], KlVaeConfig(**identity.config["vae"]))]


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [KlVaeFamily()]
