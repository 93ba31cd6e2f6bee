"""The families of control networks for transformers: Stable Diffusion 3 and Flux."""

from __future__ import annotations

from collections.abc import Sequence

from host.builtin_nodes.controlnet.flux.config import FluxControlConfig, find_flux_control
from host.builtin_nodes.controlnet.flux.config import control_sources as flux_sources
from host.builtin_nodes.controlnet.interface import PART
from host.builtin_nodes.controlnet.sd3.config import HINT_KIND, Sd3ControlConfig, find_sd3_control
from host.builtin_nodes.controlnet.sd3.config import control_sources as sd3_sources
from host.builtin_nodes.families.refusals import LayoutError
from sdk import Header, Identity, Part, Refusal


class Sd3ControlNetFamily:
    """Control networks for Stable Diffusion 3 and 3.5, with joint blocks or with blocks of image tokens."""

    name = "controlnet_sd3"

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file holds a control network of Stable Diffusion 3."""
        try:
            config = find_sd3_control(header)
        except LayoutError as error:
            return Refusal(error.reason)
        blocks = "image tokens" if config.context_channels is None else "image and text tokens"
        return Identity(
            family=self.name,
            kind=PART,
            config={"network": config.as_json(), "for_family": "sd3", "hint_channels": config.hint_channels},
            because=(
                f"it has {config.blocks} blocks of {blocks} with {config.hidden} channels, a control block for each, "
                f"and hints of {config.hint_channels} channels"
            ),
        )

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """The part ``controlnet``."""
        from host.builtin_nodes.controlnet.sd3.adapter import Sd3ControlAdapter
        from host.builtin_nodes.families.small_tensors import small_tensor

        config = Sd3ControlConfig(**identity.config["network"])
        told = small_tensor(header, HINT_KIND)
        kind = round(float(told)) if told is not None and told.numel() == 1 else None

        def build() -> object:
            from host.builtin_nodes.controlnet.sd3.module import build_sd3_control

            return build_sd3_control(config)

        adapter = Sd3ControlAdapter(config, kind)
        used = frozenset({HINT_KIND} & header.tensors.keys())
        return [Part(name=PART, build=build, weights=sd3_sources(header, config), adapter=adapter, passed_over=used)]


class FluxControlNetFamily:
    """Control networks for Flux: on latents, also for several kinds of hints at once, and on pictures."""

    name = "controlnet_flux"

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file holds a control network of Flux."""
        try:
            config = find_flux_control(header)
        except LayoutError as error:
            return Refusal(error.reason)
        hints = "pictures" if config.pictures else f"latents of {config.hint_channels} channels"
        kinds = f" of {config.control_types} kinds" if config.control_types else ""
        return Identity(
            family=self.name,
            kind=PART,
            config={"network": config.as_json(), "for_family": "flux", "hint_channels": config.hint_channels},
            because=(
                f"it has {config.double_blocks} double and {config.single_blocks} single blocks of {config.hidden} "
                f"channels, a control block for each, and its hints are {hints}{kinds}"
            ),
        )

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """The part ``controlnet``."""
        from host.builtin_nodes.controlnet.flux.adapter import FluxControlAdapter

        config = FluxControlConfig(**identity.config["network"])

        def build() -> object:
            from host.builtin_nodes.controlnet.flux.module import build_flux_control

            return build_flux_control(config)

        weights = flux_sources(header, config)
        return [Part(name=PART, build=build, weights=weights, adapter=FluxControlAdapter(config))]
