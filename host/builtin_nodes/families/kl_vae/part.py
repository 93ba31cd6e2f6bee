"""The autoencoder inside a file, as a part that the model manager can load."""

from __future__ import annotations

from host.builtin_nodes.families.kl_vae.config import KlVaeConfig, vae_sources
from sdk.models import Header, Part


def vae_part(header: Header, prefix: str, config: KlVaeConfig) -> Part:
    """The part named ``vae``, for an autoencoder under ``prefix``."""
    from host.builtin_nodes.families.kl_vae.adapter import KlVaeAdapter

    def build() -> object:
        from host.builtin_nodes.families.kl_vae.module import build_vae

        return build_vae(config)

    return Part(
        name="vae",
        build=build,
        weights=vae_sources(header, prefix),
        adapter=KlVaeAdapter(config.latent_channels, config.downscale),
    )
