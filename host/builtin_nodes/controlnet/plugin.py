"""The families of control networks, and of T2I adapters for UNets of latent diffusion."""

from __future__ import annotations

from collections.abc import Sequence

from host.builtin_nodes.controlnet.interface import PART
from host.builtin_nodes.controlnet.network_config import (
    LENDING_MARK,
    ControlNetConfig,
    control_net_names,
    find_control_net,
)
from host.builtin_nodes.controlnet.t2i_config import T2iConfig, find_t2i_adapter, t2i_names
from host.builtin_nodes.controlnet.transformer_families import FluxControlNetFamily, Sd3ControlNetFamily
from host.builtin_nodes.families.refusals import LayoutError
from sdk import Header, Identity, ModelFamily, Part, Refusal, TensorSource, hookimpl


class ControlNetFamily:
    """Control networks for Stable Diffusion 1, 2 and XL in the original layout or diffusers', also for several kinds
    of hints at once, and as changes of low rank to the model's own weights (Control-LoRA)."""

    name = "controlnet"

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file holds a control network of latent diffusion."""
        try:
            found = find_control_net(header)
        except LayoutError as error:
            return Refusal(error.reason)
        network = found.network
        kinds = f" and {network.control_types} kinds of hints" if network.control_types else ""
        lent = "factors of what changes " if network.lent else ""
        return Identity(
            family=self.name,
            kind=PART,
            config=found.as_json(),
            because=(
                f"it is {lent}the way down of a UNet ({network.for_family}) with a context of "
                f"{network.context_channels}, convolutions that start at zero, and hints of {network.hint_channels} "
                f"channels{kinds}"
            ),
        )

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """The part ``controlnet``."""
        from host.builtin_nodes.controlnet.network_adapter import ControlNetAdapter

        config = ControlNetConfig(**identity.config["network"])
        names = control_net_names(header, identity.config["prefix"], original=identity.config["original"])

        def build() -> object:
            from host.builtin_nodes.controlnet.lent_layers import with_lent_layers
            from host.builtin_nodes.controlnet.network_module import build_control_net

            network = build_control_net(config)
            return with_lent_layers(network, stored) if config.lent else network

        stored = {name: header.tensors[key].shape for name, key in names.items()}
        weights = {name: TensorSource(key) for name, key in names.items()}
        mark = frozenset({LENDING_MARK} & header.tensors.keys())
        return [Part(name=PART, build=build, weights=weights, adapter=ControlNetAdapter(config), passed_over=mark)]


class T2iAdapterFamily:
    """T2I adapters for Stable Diffusion 1 and XL, full and light, in the original layout or diffusers'."""

    name = "t2i_adapter"

    def identify(self, header: Header) -> Identity | Refusal:
        """Say whether the file holds a T2I adapter."""
        try:
            found = find_t2i_adapter(header)
        except LayoutError as error:
            return Refusal(error.reason)
        return Identity(
            family=self.name,
            kind=PART,
            config=found.as_json(),
            because=(
                f"its first layer takes {found.unshuffle} x {found.unshuffle} pixels of {found.input_channels} "
                f"channels, and {len(found.channels)} blocks of convolutions follow"
            ),
        )

    def parts(self, header: Header, identity: Identity) -> Sequence[Part]:
        """The part ``controlnet``."""
        from host.builtin_nodes.controlnet.t2i_adapter import T2iAdapter

        config = T2iConfig(**{name: value for name, value in identity.config.items() if name != "for_family"})
        keys = {key.removeprefix(config.prefix): None for key in header.tensors if key.startswith(config.prefix)}
        names = t2i_names(keys, diffusers=config.diffusers, light=config.light)

        def build() -> object:
            from host.builtin_nodes.controlnet.t2i_module import build_t2i_adapter

            return build_t2i_adapter(config)

        weights = {name: TensorSource(config.prefix + key) for name, key in names.items()}
        return [Part(name=PART, build=build, weights=weights, adapter=T2iAdapter(config))]


@hookimpl
def register_model_families() -> Sequence[ModelFamily]:
    return [ControlNetFamily(), T2iAdapterFamily(), Sd3ControlNetFamily(), FluxControlNetFamily()]
