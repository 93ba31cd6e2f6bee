"""The family of tiny autoencoders."""

from __future__ import annotations

from collections.abc import Sequence

from host.builtin_nodes.families.detection import identified
from host.builtin_nodes.families.taesd.detection import FAMILY, detect
from host.builtin_nodes.families.taesd.layout import DOWNSCALE, TinyVaeLayout, tiny_sources
from sdk import Header, Identity, ModelFamily, Part, Refusal, hookimpl


class TinyVaeFamily:
    """TAESD, TAESDXL, TAESD3 and TAEF1: both halves, or one of them; the original's names or diffusers'."""

    name = FAMILY

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file is a tiny autoencoder or half of one."""
        return identified(header, detect)

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """The one part ``vae``."""
        from host.builtin_nodes.families.taesd.adapter import TinyVaeAdapter

        layout = TinyVaeLayout(**identity.config["layout"])

        def build() -> object:
            from host.builtin_nodes.families.taesd.module import build_tiny_vae

            return build_tiny_vae(layout)

        adapter = TinyVaeAdapter(layout.latent_channels, DOWNSCALE, layout.scale, layout.shift)
        return [Part(name="vae", build=build, weights=tiny_sources(header, layout), adapter=adapter)]


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [TinyVaeFamily()]
