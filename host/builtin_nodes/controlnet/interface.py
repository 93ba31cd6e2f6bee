"""What sampling asks of a control network's adapter: a plain object that goes with its module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from host.builtin_nodes.controlnet.residuals import ControlResiduals
    from host.builtin_nodes.families.interface import LatentFormat


@dataclass(frozen=True, kw_only=True, eq=False)
class ControlCall:
    """One evaluation of a denoiser, as its control networks see it.

    Attributes:
        x: [batch, channel, height, width], as the denoiser gets it, without further channels.
        timestep: [batch].
        context: the prompts' states [batch, length, width].
        inputs: the denoiser's further inputs: ``vector`` and the like.
        options: of the control network's handle.
    """

    x: Tensor
    timestep: Tensor
    context: Tensor
    inputs: Mapping[str, Tensor] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)


class ControlAdapter(Protocol):
    """How to call a control network."""

    @property
    def latent_format(self) -> LatentFormat | None:
        """Hints are latents of this format; None where they are pictures."""

    @property
    def takes_mask(self) -> bool:
        """A mask goes with the hint, as one more channel."""

    def hint_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that a hint has in pixels, for a latent of so many cells."""

    def prepare(self, module: Module, hint: Tensor) -> Any:
        """What of the work depends on the hint alone; done once in a run.

        Args:
            hint: [1 or batch, channel, height, width]: a picture in 0..1, or a latent in the network's space.
        """

    def residuals(self, module: Module, prepared: Any, call: ControlCall) -> ControlResiduals:
        """What the network adds at strength 1, for what ``prepare`` gave."""
