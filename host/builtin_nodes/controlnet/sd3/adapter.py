"""How to call a control network for Stable Diffusion 3."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from host.builtin_nodes.controlnet.interface import ControlCall
from host.builtin_nodes.controlnet.latent_hints import PIXELS_PER_CELL, complete
from host.builtin_nodes.controlnet.residuals import DOUBLE, ControlResiduals
from host.builtin_nodes.controlnet.sd3.config import Sd3ControlConfig
from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.families.mmdit.wrapping import wrapped
from host.builtin_nodes.families.sd3.config import LATENT_CHANNELS, LATENT_FORMAT
from host.builtin_nodes.families.sd3.denoiser import check_size

_EDGES, _DEPTHS = 1, 2
_UNSHIFTED = replace(LATENT_FORMAT, shift=0.0)
_WHITE = 255.0


@dataclass(frozen=True, eq=False)
class Sd3ControlAdapter:
    """See ``controlnet.interface.ControlAdapter``.

    Attributes:
        kind: the number that says what hints a network of image tokens was trained for; None where nothing says it.
    """

    config: Sd3ControlConfig
    kind: int | None = None

    @property
    def latent_format(self) -> LatentFormat:
        """Networks with joint blocks were trained on latents that aren't shifted."""
        return LATENT_FORMAT if self.config.context_channels is None else _UNSHIFTED

    @property
    def takes_mask(self) -> bool:
        return self.config.takes_mask

    def hint_size(self, height: int, width: int) -> tuple[int, int]:
        return height * PIXELS_PER_CELL, width * PIXELS_PER_CELL

    def picture(self, hint: Tensor) -> Tensor:
        """Outlines come in the range they were trained in, depths the other way round: near is dark."""
        if self.kind == _EDGES:
            # The autoencoder maps 0..1 to -1..1; it was shown 255 / 2 times an outline, plus 1 / 2.
            return (hint * _WHITE / 2 + 0.5 + 1) / 2
        return 1 - hint if self.kind == _DEPTHS else hint

    def prepare(self, module: Module, hint: Tensor) -> Tensor:
        """The latent in whole patches, in the module's dtype on its device; raises MissingMask."""
        weight = next(module.parameters())
        return wrapped(complete(hint, self.config.hint_channels), self.config.patch).to(weight)

    @torch.no_grad()
    def residuals(self, module: Module, prepared: Tensor, call: ControlCall) -> ControlResiduals:
        """One for each of the model's blocks; raises UnsupportedControl for a model of other dimensions."""
        config, weight = self.config, next(module.parameters())
        call.require(LATENT_CHANNELS, config.context_channels, config.pooled_channels)
        blocks = call.blocks("transformer_blocks", config.hidden)
        x, pooled = wrapped(call.x, config.patch), call.inputs["vector"].to(weight)
        joint = config.context_channels is not None
        network: Any = module
        found: list[Tensor] = network(
            x.to(weight) if config.positions else _embedded(x, call.model).to(weight),
            controlnet_cond=prepared,
            encoder_hidden_states=call.context.to(weight) if joint else None,
            pooled_projections=torch.zeros_like(pooled) if joint else pooled,
            timestep=call.timestep.to(weight.device, torch.float32),
            return_dict=False,
        )[0]
        return ControlResiduals({DOUBLE: _spread(found, blocks, to_last=not joint)})


def _embedded(x: Tensor, model: Any) -> Tensor:
    """The model's own tokens of a latent, with their positions."""
    check_size(x, model.pos_embed.pos_embed_max_size * model.pos_embed.patch_size)
    tokens: Tensor = model.pos_embed(x.to(next(model.parameters())))
    return tokens


def _spread(found: list[Tensor], blocks: int, *, to_last: bool) -> list[Tensor | None]:
    """For each of the model's blocks the residual of the network's block at the same share of the depth."""
    spread: list[Tensor | None] = [found[number * len(found) // blocks] for number in range(blocks)]
    return spread if to_last else [*spread[:-1], None]
