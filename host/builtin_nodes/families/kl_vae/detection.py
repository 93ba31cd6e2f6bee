"""Tells autoencoders that stand alone from all other files by their header."""

from __future__ import annotations

from host.builtin_nodes.families.kl_vae.config import has_vae, vae_config
from host.builtin_nodes.families.places import VAE_PLACES
from host.builtin_nodes.families.refusals import LayoutError
from sdk.models import Header, Identity

FAMILY = "kl_vae"

_DENOISERS = ("model.diffusion_model.", "cond_stage_model.", "conditioner.", "text_encoders.")


def detect(header: Header) -> Identity:
    """The identity of a file that is a two-dimensional autoencoder alone.

    Raises:
        LayoutError: it is no such file; the reason says what gave it away.
    """
    prefix = next((place for place in VAE_PLACES if has_vae(header, place)), None)
    if prefix is None:
        raise LayoutError("there is no two-dimensional autoencoder in it")
    if header.has_prefix(*_DENOISERS):
        raise LayoutError("there is more in it than an autoencoder")
    config = vae_config(header, prefix)
    return Identity(
        family=FAMILY,
        kind="vae",
        config={"prefix": prefix, "vae": config.as_json(), "latent_channels": config.latent_channels},
        because=f"it has encoder and decoder of a KL autoencoder with {config.latent_channels} latent channels",
    )
