"""How to call a control network for Flux."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from host.builtin_nodes.controlnet.flux.config import FluxControlConfig
from host.builtin_nodes.controlnet.interface import ControlCall
from host.builtin_nodes.controlnet.latent_hints import PIXELS_PER_CELL, complete
from host.builtin_nodes.controlnet.network_adapter import kinds_of_hints
from host.builtin_nodes.controlnet.residuals import DOUBLE, SINGLE, ControlResiduals
from host.builtin_nodes.families.flux.config import LATENT_CHANNELS, LATENT_FORMAT, PATCH
from host.builtin_nodes.families.flux.tokens import POSITIONS, positions, tokens
from host.builtin_nodes.families.interface import LatentFormat
from host.builtin_nodes.families.mmdit.wrapping import wrapped

_COLOURS = 3


@dataclass(frozen=True, eq=False)
class FluxControlAdapter:
    """See ``controlnet.interface.ControlAdapter``."""

    config: FluxControlConfig

    @property
    def latent_format(self) -> LatentFormat | None:
        return None if self.config.pictures else LATENT_FORMAT

    @property
    def takes_mask(self) -> bool:
        return self.config.takes_mask

    def hint_size(self, height: int, width: int) -> tuple[int, int]:
        """Pictures are of whole tokens; latents wrap around."""
        step = PATCH if self.config.pictures else 1
        rows, columns = (-(-side // step) * step * PIXELS_PER_CELL for side in (height, width))
        return rows, columns

    def picture(self, hint: Tensor) -> Tensor:
        return hint

    def prepare(self, module: Module, hint: Tensor) -> Tensor:
        """A latent's tokens, or a picture in -1..1, in the module's dtype on its device; raises MissingMask."""
        weight = next(module.parameters())
        if self.config.pictures:
            return (hint[:, :_COLOURS] * 2 - 1).to(weight)
        return tokens(wrapped(complete(hint, self.config.hint_channels), PATCH)).to(weight)

    @torch.no_grad()
    def residuals(self, module: Module, prepared: Tensor, call: ControlCall) -> ControlResiduals:
        """One for each of the model's blocks; raises UnsupportedControl for a model of other dimensions."""
        config, weight = self.config, next(module.parameters())
        call.require(LATENT_CHANNELS, config.context_channels, config.pooled_channels)
        double = call.blocks("transformer_blocks", config.hidden)
        single = call.blocks("single_transformer_blocks", config.hidden)
        x, context, guidance = wrapped(call.x, PATCH), call.context.to(weight), call.inputs.get("guidance")
        kinds = kinds_of_hints(call, config.control_types) if config.control_types else []
        rows, columns = (side // PATCH for side in x.shape[-2:])
        # The module puts a token for each kind before the prompt's, and a position for the first of them.
        length = context.shape[1] + (len(kinds) - 1 if config.control_types else 0)
        network: Any = module
        after_double, after_single = network(
            hidden_states=tokens(x.to(weight)),
            controlnet_cond=prepared,
            controlnet_mode=torch.tensor(kinds, dtype=torch.long, device=weight.device).expand(len(x), -1),
            encoder_hidden_states=context,
            pooled_projections=call.inputs["vector"].to(weight),
            timestep=call.timestep.to(weight.device, torch.float32),
            img_ids=positions(rows, columns, weight.device),
            txt_ids=torch.zeros(length, POSITIONS, device=weight.device),
            guidance=guidance.to(weight.device, torch.float32) if config.guidance and guidance is not None else None,
            return_dict=False,
        )
        spread = _in_turn if config.pictures else _in_runs
        found = {DOUBLE: spread(after_double or (), double), SINGLE: _in_runs(after_single or (), single)}
        return ControlResiduals({kind: residuals for kind, residuals in found.items() if residuals})


def _in_runs(found: Sequence[Tensor], blocks: int) -> list[Tensor]:
    """Each for as many neighbouring blocks as they suffice for."""
    run = -(-blocks // len(found)) if found else 1
    return [found[number // run] for number in range(blocks)] if found else []


def _in_turn(found: Sequence[Tensor], blocks: int) -> list[Tensor]:
    """One after another, again and again."""
    return [found[number % len(found)] for number in range(blocks)] if found else []
