"""The family of tiny autoencoders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from host.builtin_nodes.families.detection import identified
from host.builtin_nodes.families.taesd.detection import FAMILY, detect
from host.builtin_nodes.families.taesd.layout import DOWNSCALE, SCALE_KEYS, TinyVaeLayout, tiny_sources
from sdk import Header, Identity, ModelFamily, Part, Refusal, hookimpl


class TinyVaeFamily:
    """TAESD, TAESDXL, TAESD3 and TAEF1: both halves, or one of them; the original's names or diffusers'."""

    name = FAMILY

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file is a tiny autoencoder or half of one."""
        return identified(header, detect)

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """The one part ``vae``."""
        from host.builtin_nodes.families.small_tensors import small_tensor
        from host.builtin_nodes.families.taesd.adapter import TinyVaeAdapter

        layout = TinyVaeLayout(**identity.config["layout"])
        told = {field: small_tensor(header, key) for field, key in SCALE_KEYS.items()}
        layout = replace(layout, **{field: float(value) for field, value in told.items() if value is not None})

        def build() -> object:
            from host.builtin_nodes.families.taesd.module import build_tiny_vae

            return build_tiny_vae(layout)

        adapter = TinyVaeAdapter(layout.latent_channels, DOWNSCALE, layout.scale, layout.shift)
        used = frozenset(SCALE_KEYS.values()) & header.tensors.keys()
        weights = tiny_sources(header, layout)
        return [Part(name="vae", build=build, weights=weights, adapter=adapter, passed_over=used)]


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [TinyVaeFamily()]
