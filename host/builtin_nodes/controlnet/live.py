"""Controls with their networks at hand, for the length of a run."""

# ruff: noqa: TID253 - imported inside node bodies, never on the start-up path
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from host.builtin_nodes.controlnet.control import CONTROL, Control
from host.builtin_nodes.controlnet.errors import MissingVae
from host.builtin_nodes.controlnet.interface import ControlAdapter, ControlCall
from host.builtin_nodes.controlnet.residuals import ControlResiduals
from host.builtin_nodes.families.concat_inputs import fit_batch
from host.builtin_nodes.images.scaling import scale
from host.builtin_nodes.sampling.parametrisation import Parametrisation
from sdk import ModelHandle

Borrow = Callable[[ModelHandle], Any]
"""A handle's module, on its device for as long as the run lasts."""


class Controls:
    """The controls of one run; each is made ready once, however many entries have it."""

    def __init__(self, borrow: Borrow, parametrisation: Parametrisation) -> None:
        self._borrow, self._parametrisation = borrow, parametrisation
        self._live: dict[int, tuple[Control, LiveControl]] = {}

    def in_conditioning(self, conditioning: Sequence[Sequence[Any]]) -> list[list[Any]]:
        """The conditioning with its controls ready for ``residuals``."""
        return [[tensor, self._ready(options)] for tensor, options in conditioning]

    def _ready(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        control = options.get(CONTROL)
        return {**options, CONTROL: self.live(control)} if isinstance(control, Control) else options

    def live(self, control: Control) -> LiveControl:
        """The control with its network at hand."""
        found = self._live.get(id(control))
        if found is None:
            previous = None if control.previous is None else self.live(control.previous)
            found = control, LiveControl(control, self._borrow, self._parametrisation, previous)
            self._live[id(control)] = found
        return found[1]


@dataclass(eq=False)
class LiveControl:
    """A control whose network is borrowed at the first level at which it works; it remembers what hints became."""

    control: Control
    borrow: Borrow
    parametrisation: Parametrisation
    previous: LiveControl | None = None
    _prepared: dict[tuple[int, ...], Any] = field(default_factory=dict)

    def residuals(
        self,
        x: Tensor,
        timestep: Tensor,
        context: Tensor,
        *,
        sigma: float,
        sides: int,
        inputs: Mapping[str, Tensor] | None = None,
        model: Any = None,
    ) -> ControlResiduals | None:
        """What it and those before it add at a level; None where all of them rest.

        Args:
            x: [sides * batch, channel, height, width], as the denoiser gets it.
            sigma: the level.
            sides: how many prompts share the evaluation.
            inputs: the denoiser's further inputs.
            model: the denoiser's module.
        """
        before = None
        if self.previous:
            before = self.previous.residuals(x, timestep, context, sigma=sigma, sides=sides, inputs=inputs, model=model)
        if not self._works_at(sigma):
            return before
        options = self.control.network.options
        call = ControlCall(x=x, timestep=timestep, context=context, inputs=inputs or {}, options=options, model=model)
        own = self._adapter.residuals(self._module, self._hint_for(x, sides), call).scaled(self.control.strength)
        return own if before is None else before + own

    @property
    def _adapter(self) -> ControlAdapter:
        adapter: ControlAdapter = self.control.network.adapter
        return adapter

    @cached_property
    def _module(self) -> Any:
        return self.borrow(self.control.network)

    @cached_property
    def _levels(self) -> tuple[float, float]:
        """Highest and lowest level at which it works, in the precision of the levels they are compared with."""
        shares = (self.control.start, self.control.end)
        first, last = (float(torch.tensor(self.parametrisation.percent_to_sigma(share)).float()) for share in shares)
        return first, last

    def _works_at(self, sigma: float) -> bool:
        highest, lowest = self._levels
        return lowest <= sigma <= highest

    def _hint_for(self, x: Tensor, sides: int) -> Any:
        key = (*x.shape, sides)
        if key not in self._prepared:
            hint = self._sized(x)
            if len(hint) > 1:
                hint = fit_batch(hint, len(x) // sides).repeat(sides, 1, 1, 1)
            self._prepared[key] = self._adapter.prepare(self._module, hint)
        return self._prepared[key]

    def _sized(self, x: Tensor) -> Tensor:
        """The hint cropped and resized to what is being made: all of it, also where that is but an area."""
        height, width = self._adapter.hint_size(*x.shape[-2:])
        hint = scale(self.control.hint.to(torch.float32), width, height, "nearest-exact", crop="center")
        latent_format = self._adapter.latent_format
        if latent_format is None:
            return hint
        latent = latent_format.to_model(self._encoded(self._adapter.picture(hint)))
        if self.control.mask is None:
            return latent
        mask = scale(self.control.mask.to(latent), *reversed(latent.shape[-2:]), "nearest-exact", crop="center")
        return torch.cat([latent, fit_batch(mask, len(latent))], dim=1)

    def _encoded(self, hint: Tensor) -> Tensor:
        vae = self.control.vae
        if vae is None:
            raise MissingVae(self.control.network.identity.family)
        latent: Tensor = vae.adapter.encode(self.borrow(vae), hint.movedim(1, -1))
        return latent
