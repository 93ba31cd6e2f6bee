"""The family of style networks."""

from __future__ import annotations

from collections.abc import Sequence

from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.style_models.layout import REDUX, StyleLayout, read_layout, style_names
from sdk import Header, Identity, ModelFamily, Part, Refusal, TensorSource, hookimpl

PART = "style_model"
"""Name of the part with a style network."""


class StyleModelFamily:
    """T2I's style adapter for Stable Diffusion 1, and Flux Redux."""

    name = "style_models"

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file holds a style network."""
        try:
            layout = read_layout(header)
        except LayoutError as error:
            return Refusal(error.reason)
        own = "two linear layers" if layout.kind == REDUX else f"{layout.tokens} style tokens"
        return Identity(
            family=self.name,
            kind=PART,
            config={"style": layout.as_json(), "for_family": "flux" if layout.kind == REDUX else "sd1"},
            because=f"it has {own} that make {layout.context} channels of an image encoder's {layout.width}",
        )

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
