"""The family of GLIGEN files."""

from __future__ import annotations

from collections.abc import Sequence

from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.gligen.layout import GligenLayout, gligen_names, read_layout
from sdk import Header, Identity, ModelFamily, Part, Refusal, TensorSource, hookimpl

PART = "gligen"
"""Name of the part with GLIGEN's layers."""


class GligenFamily:
    """GLIGEN's layers for boxes with text, without the denoiser they were trained with."""

    name = "gligen"

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file holds GLIGEN's layers."""
        try:
            layout = read_layout(header)
        except LayoutError as error:
            return Refusal(error.reason)
        return Identity(
            family=self.name,
            kind=PART,
            config={"gligen": layout.as_json()},
            because=(
                f"it has a net for boxes, and {len(layout.widths)} gated layers that look at {layout.tokens} channels"
            ),
        )

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """The one part ``gligen``."""
        layout = GligenLayout(**identity.config["gligen"])

        def build() -> object:
            from host.builtin_nodes.gligen.module import build_gligen

            return build_gligen(layout)

        weights = {name: TensorSource(key) for name, key in gligen_names(header).items()}
        return [Part(name=PART, build=build, weights=weights, adapter=layout)]


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [GligenFamily()]
