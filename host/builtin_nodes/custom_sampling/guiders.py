"""What flows along GUIDER links: a model with its prompts, and how they become one denoiser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from host.builtin_nodes.sampling.entries import Conditioning
from host.builtin_nodes.sampling.guidance import CfgDenoiser, DualCfgDenoiser, PerpNegDenoiser
from host.builtin_nodes.sampling.interfaces import Guided
from host.builtin_nodes.sampling.rules import guidance_of
from host.builtin_nodes.sampling.run import SampledModel
from sdk import ModelHandle

Prepare = Callable[[Conditioning], Conditioning]
"""Gives conditioning the network's further inputs, for the run's latent."""


class Guider(Protocol):
    """Guidance that is still without weights."""

    @property
    def model(self) -> ModelHandle: ...

    def denoiser(self, loaded: SampledModel, prepare: Prepare) -> Guided:
        """The guided model for one run; ``loaded`` is ``model`` with its weights in place."""


@dataclass(frozen=True, eq=False)
class CfgGuider:
    """Classifier-free guidance between a positive and a negative prompt."""

    model: ModelHandle
    positive: Conditioning
    negative: Conditioning
    cfg: float

    def denoiser(self, loaded: SampledModel, prepare: Prepare) -> Guided:
        guidance = guidance_of(self.model).prepared(prepare)
        return CfgDenoiser(loaded, prepare(self.positive), prepare(self.negative), self.cfg, guidance)


@dataclass(frozen=True, eq=False)
class BasicGuider:
    """One prompt and no guidance."""

    model: ModelHandle
    conditioning: Conditioning

    def denoiser(self, loaded: SampledModel, prepare: Prepare) -> Guided:
        return CfgDenoiser(loaded, prepare(self.conditioning), [], 1.0, guidance_of(self.model).prepared(prepare))


@dataclass(frozen=True, eq=False)
class DualCfgGuider:
    """Guidance by two prompts and a negative one; see ``DualCfgDenoiser``."""

    model: ModelHandle
    first: Conditioning
    second: Conditioning
    negative: Conditioning
    cfg: float
    cfg_second: float
    nested: bool

    def denoiser(self, loaded: SampledModel, prepare: Prepare) -> Guided:
        prompts = (prepare(prompt) for prompt in (self.first, self.second, self.negative))
        guidance = guidance_of(self.model).prepared(prepare)
        return DualCfgDenoiser(loaded, *prompts, self.cfg, self.cfg_second, nested=self.nested, guidance=guidance)


@dataclass(frozen=True, eq=False)
class PerpNegGuider:
    """A negative prompt that leaves the positive one alone; see ``PerpNegDenoiser``."""

    model: ModelHandle
    positive: Conditioning
    negative: Conditioning
    empty: Conditioning
    cfg: float
    neg_scale: float

    def denoiser(self, loaded: SampledModel, prepare: Prepare) -> Guided:
        prompts = (prepare(prompt) for prompt in (self.positive, self.negative, self.empty))
        return PerpNegDenoiser(loaded, *prompts, self.cfg, self.neg_scale, guidance=guidance_of(self.model))
