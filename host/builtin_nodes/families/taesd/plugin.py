"""The family of tiny autoencoders."""

from __future__ import annotations

from collections.abc import Sequence

from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.taesd.layout import DOWNSCALE, TinyVaeLayout, read_layout, tiny_sources
from sdk import Header, Identity, ModelFamily, Part, Refusal, hookimpl


class TinyVaeFamily:
    """TAESD, TAESDXL, TAESD3 and TAEF1: both halves, or one of them; the original's names or diffusers'."""

    name = "taesd"

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file is a tiny autoencoder or half of one."""
        try:
            layout = read_layout(header)
        except LayoutError as error:
            return Refusal(error.reason)
        halves = " and ".join(layout.halves)
        return Identity(
            family=self.name,
            kind="vae",
            config={"layout": layout.as_json(), "latent_channels": layout.latent_channels, "halves": halves},
            because=f"it has the {halves} of a tiny autoencoder with {layout.latent_channels} latent channels",
        )

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
