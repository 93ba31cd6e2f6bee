"""What nodes ask of a model's guidance: rules around classifier-free guidance, and patches of the network.

Rules travel in a model handle's options and are applied, in the order they were added, at every evaluation.
Importing this module imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from host.builtin_nodes.sampling.patches import NO_PATCHES, NetworkPatches, PatchCall, PatchedCall, ReplacedAttention

if TYPE_CHECKING:
    from torch import Tensor

    from host.builtin_nodes.sampling.parametrisation import Parametrisation
    from sdk import ModelHandle

__all__ = [
    "GUIDANCE",
    "NO_PATCHES",
    "PLAIN",
    "AfterGuidance",
    "BeforeGuidance",
    "Guidance",
    "GuidanceFormula",
    "MaskRule",
    "NetworkPatches",
    "PatchCall",
    "PatchedCall",
    "Predict",
    "PromptedFormula",
    "ReplacedAttention",
    "Step",
    "guidance_of",
    "with_guidance",
]

GUIDANCE = "guidance"
"""Option of a handle: the ``Guidance`` that nodes have asked for."""


class Predict(Protocol):
    """Another evaluation of the model, for a rule that needs one."""

    def __call__(self, side: str | Any, *, x: Tensor | None = None, patches: NetworkPatches = NO_PATCHES) -> Tensor:
        """The estimate for one side by its name, or for any conditioning; ``x`` as the evaluation's own if None."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One guided evaluation as rules see it.

    Attributes:
        x: the noisy sample the network saw [batch, …].
        sigma: its level.
        positive, negative: the estimates of the clean latent for both sides.
        has_negative: whether the negative side was evaluated; if not, its estimate is zeros.
        has_empty: whether both sides are measured against the estimate of an empty prompt, as in Perp-Neg.
        memory: for what a rule keeps from one evaluation of a run to the next, under a key of its own.
    """

    x: Tensor
    sigma: float
    cfg: float
    positive: Tensor
    negative: Tensor
    has_negative: bool
    predict: Predict
    memory: MutableMapping[object, Any]
    parametrisation: Parametrisation
    has_empty: bool = False


BeforeGuidance = Callable[[Step], Step]
GuidanceFormula = Callable[[Step], "Tensor"]
AfterGuidance = Callable[[Step, "Tensor"], "Tensor"]


@runtime_checkable
class PromptedFormula(Protocol):
    """A formula that has a prompt of its own."""

    def __call__(self, step: Step) -> Tensor: ...

    def prepared(self, prepare: Callable[[Any], Any]) -> GuidanceFormula:
        """The formula with its prompt made ready for a run, as ``prepare`` does it with those of the run's sides."""


class MaskRule(Protocol):
    """How the noise mask of a run changes on the way."""

    def __call__(self, mask: Tensor, sigma: float, *, sigmas: Tensor, parametrisation: Parametrisation) -> Tensor:
        """The mask at a level; ``sigmas`` are all levels of the run."""


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """Everything nodes have asked for.

    Attributes:
        before: changes of the estimates before they are combined.
        formula: what replaces ``negative + cfg * (positive - negative)``.
        after: changes of the combined estimate.
        needs_negative: evaluate the negative side even at cfg 1.
        negative_patches: further patches of the network while it works on the negative side, by level; None where
            both sides can share an evaluation.
        mask: how the mask of a masked run changes on the way.
        patches: those of the network at every evaluation.
    """

    before: tuple[BeforeGuidance, ...] = ()
    formula: GuidanceFormula | None = None
    after: tuple[AfterGuidance, ...] = ()
    needs_negative: bool = False
    negative_patches: Callable[[float, Parametrisation], NetworkPatches | None] | None = None
    mask: MaskRule | None = None
    patches: NetworkPatches = NO_PATCHES

    def prepared(self, prepare: Callable[[Any], Any]) -> Guidance:
        """The same for one run; ``prepare`` gives prompts the network's further inputs."""
        if not isinstance(self.formula, PromptedFormula):
            return self
        return replace(self, formula=self.formula.prepared(prepare))


PLAIN = Guidance()


def guidance_of(handle: ModelHandle) -> Guidance:
    """What nodes have added to a model so far."""
    found: Guidance = handle.options.get(GUIDANCE, PLAIN)
    return found


def with_guidance(
    handle: ModelHandle,
    *,
    before: BeforeGuidance | None = None,
    after: AfterGuidance | None = None,
    patches: NetworkPatches = NO_PATCHES,
    **changes: Any,
) -> ModelHandle:
    """The model with one more rule; ``changes`` replace the fields of ``Guidance`` that hold one value."""
    known = guidance_of(handle)
    changed = replace(
        known,
        before=(*known.before, before) if before else known.before,
        after=(*known.after, after) if after else known.after,
        patches=known.patches + patches,
        **changes,
    )
    return handle.with_options(**{GUIDANCE: changed})
