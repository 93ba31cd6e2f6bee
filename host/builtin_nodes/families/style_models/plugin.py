"""The family of style networks."""

from __future__ import annotations

from collections.abc import Sequence

from host.builtin_nodes.families.detection import identified
from host.builtin_nodes.families.style_models.detection import FAMILY, PART, detect
from host.builtin_nodes.families.style_models.layout import StyleLayout, style_names
from sdk import Header, Identity, ModelFamily, Part, Refusal, TensorSource, hookimpl


class StyleModelFamily:
    """T2I's style adapter for Stable Diffusion 1, and Flux Redux."""

    name = FAMILY

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file holds a style network."""
        return identified(header, detect)

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """The one part ``style_model``."""
        from host.builtin_nodes.families.style_models.adapter import StyleModelAdapter

        layout = StyleLayout(**identity.config["style"])

        def build() -> object:
            from host.builtin_nodes.families.style_models.module import build_style_model

            return build_style_model(layout)

        weights = {name: TensorSource(name) for name in style_names(header, layout.kind)}
        return [Part(name=PART, build=build, weights=weights, adapter=StyleModelAdapter(layout.width))]


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [StyleModelFamily()]
