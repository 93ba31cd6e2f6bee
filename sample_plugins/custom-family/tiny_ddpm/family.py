"""How files of the family are known, and what is in them. No tensor is read for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sdk import Header, Identity, Part, Refusal, TensorSource
from tiny_ddpm.layout import PREFIX, NotTinyDdpm, read_layout


class TinyDdpmFamily:
    """Unconditional DDPMs on pixels, of any width and number of channels."""

    name = "tiny-ddpm"

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file holds such a network, from names and shapes."""
        try:
            layout = read_layout(header)
        except NotTinyDdpm as error:
            return Refusal(error.reason)
        return Identity(
            family=self.name,
            kind="denoiser",
            config=asdict(layout),
            because=(
                f"its keys begin with {PREFIX!r}, {PREFIX}conv_in takes squares of {layout.channels} channels and has "
                f"{layout.width} outputs"
            ),
        )

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """``denoiser``: the network, with an adapter that says how to call it."""
        from tiny_ddpm.adapter import TinyDdpmAdapter

        config = identity.config

        def build() -> object:
            from tiny_ddpm.network import Network, NetworkConfig

            return Network(NetworkConfig(**config))

        weights = {key.removeprefix(PREFIX): TensorSource(key) for key in header.tensors if key.startswith(PREFIX)}
        return [Part(name="denoiser", build=build, weights=weights, adapter=TinyDdpmAdapter(config["channels"]))]
