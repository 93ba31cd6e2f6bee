"""Finds a control network for Flux in a file, and reads its dimensions off the shapes.

Networks in diffusers' layout look at latents (InstantX, Shakker, Alimama and others 2024), some of them at several
kinds of hints. Those in the original's layout look at pictures through a few convolutions (XLabs 2024, in either
layout).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from host.builtin_nodes.families.flux.config import LATENT_CHANNELS, PATCH, FluxConfig, flux_trunk, layer_table
from host.builtin_nodes.families.mmdit.layers import LayerTable, matrix, weight_sources
from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.families.stated_facts import stated_facts
from sdk.models import Header, TensorSource

_HINT, _ORIGINAL_HINT = "controlnet_x_embedder", "pos_embed_input"
_MODES = "controlnet_mode_embedder.weight"
_PICTURES, _OUTPUTS, _SINGLE_OUTPUTS = "input_hint_block", "controlnet_blocks", "controlnet_single_blocks"
HINT_LAYERS = {0: "conv_in", **{2 * number + 2: f"blocks.{number}" for number in range(6)}, 14: "conv_out"}
"""Names of the convolutions by their numbers in the original, which counts the activations between them."""


@dataclass(frozen=True, kw_only=True)
class FluxControlConfig(FluxConfig):
    """Everything that decides a control network's shape.

    Attributes:
        hint_channels: of the latent it looks at, with a mask if it takes one; or of what it makes of a picture.
        pictures: it looks at pictures.
        control_types: how many kinds of hints it tells apart; None where it knows but one.
    """

    hint_channels: int
    pictures: bool
    control_types: int | None = None

    @property
    def takes_mask(self) -> bool:
        """A mask goes with the hint."""
        return self.hint_channels == LATENT_CHANNELS + 1


def find_flux_control(header: Header) -> FluxControlConfig:
    """The control network in a file.

    Raises:
        LayoutError: there is none, one of a kind that isn't known, or of impossible dimensions.
    """
    if f"{_OUTPUTS}.0.linear.weight" in header.tensors:
        raise LayoutError("its control blocks are those of MistoLine, which aren't known here")
    hint = next((f"{name}.weight" for name in (_HINT, _ORIGINAL_HINT) if f"{name}.weight" in header.tensors), None)
    if hint is None or f"{_OUTPUTS}.0.weight" not in header.tensors:
        raise LayoutError("there is no control network of Flux in it")
    trunk = flux_trunk(header, "", stated_facts(header))
    if trunk.in_channels != LATENT_CHANNELS:
        raise LayoutError(f"its latent has {trunk.in_channels} channels")
    _, patched = matrix(header, hint)
    channels, rest = divmod(patched, PATCH**2)
    pictures = any(key.startswith(f"{_PICTURES}.") for key in header.tensors)
    if rest or channels not in (LATENT_CHANNELS, LATENT_CHANNELS + 1):
        raise LayoutError(f"its hints' tokens have {patched} numbers")
    return FluxControlConfig(
        **asdict(trunk),
        hint_channels=channels,
        pictures=pictures,
        control_types=matrix(header, _MODES)[0] if _MODES in header.tensors else None,
    )


def control_sources(header: Header, config: FluxControlConfig) -> dict[str, TensorSource]:
    """Where the module finds its weights in the file."""
    table = layer_table(config)
    if config.original_layout:
        table = LayerTable({**table.layers, **_own_layers(config)}, table.width, frozenset())
    return weight_sources(header, "", table, original_layout=config.original_layout)


def _own_layers(config: FluxControlConfig) -> Mapping[str, tuple[str, ...]]:
    """What a control network has beyond a transformer's blocks, by the original's names."""
    outputs = {_OUTPUTS: config.double_blocks, _SINGLE_OUTPUTS: config.single_blocks}
    return {
        _ORIGINAL_HINT: (_HINT,),
        **{f"{name}.{number}": (f"{name}.{number}",) for name, count in outputs.items() for number in range(count)},
        **{f"{_PICTURES}.{number}": (f"{_PICTURES}.{name}",) for number, name in HINT_LAYERS.items()},
    }
