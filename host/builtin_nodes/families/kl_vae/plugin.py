"""The family of VAE files that stand alone."""

from __future__ import annotations

from collections.abc import Sequence

from host.builtin_nodes.families.kl_vae.config import KlVaeConfig, has_vae, vae_config, vae_sources
from host.builtin_nodes.families.kl_vae.part import vae_part
from host.builtin_nodes.families.refusals import LayoutError
from sdk import Header, Identity, ModelFamily, Part, Refusal, hookimpl

# Some tools keep the prefix that the VAE had inside a checkpoint.
_PREFIXES = ("", "first_stage_model.", "vae.")
_DENOISERS = ("model.diffusion_model.", "cond_stage_model.", "conditioner.", "text_encoders.")


class KlVaeFamily:
    """Autoencoders alone in their file, in the original layout or diffusers'.

    The header doesn't tell for which denoiser an autoencoder was trained: latent scale and shift are the denoiser's.
    """

    name = "kl_vae"

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file is a two-dimensional autoencoder alone."""
        prefix = next((prefix for prefix in _PREFIXES if has_vae(header, prefix)), None)
        if prefix is None:
            return Refusal("there is no two-dimensional autoencoder in it")
        if any(key.startswith(_DENOISERS) for key in header.tensors):
            return Refusal("there is more in it than an autoencoder")
        try:
            config = vae_config(header, vae_sources(header, prefix))
        except LayoutError as error:
            return Refusal(error.reason)
        return Identity(
            family=self.name,
            kind="vae",
            config={"prefix": prefix, "vae": config.as_json(), "latent_channels": config.latent_channels},
            because=f"it has encoder and decoder of a KL autoencoder with {config.latent_channels} latent channels",
        )

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """The one part ``vae``."""
        return [vae_part(header, identity.config["prefix"], KlVaeConfig(**identity.config["vae"]))]


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [KlVaeFamily()]
