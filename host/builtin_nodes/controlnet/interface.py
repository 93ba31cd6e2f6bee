"""What sampling asks of a control network's adapter: a plain object that goes with its module."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from host.builtin_nodes.controlnet.errors import UnsupportedControl

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

    from host.builtin_nodes.controlnet.residuals import ControlResiduals
    from host.builtin_nodes.families.interface import LatentFormat

PART = "controlnet"
"""Name of the part with a control network or an adapter."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ControlCall:
    """One evaluation of a denoiser, as its control networks see it.

    Attributes:
        x: [batch, channel, height, width], as the denoiser gets it, without further channels.
        timestep: [batch].
        context: the prompts' states [batch, length, width].
        inputs: the denoiser's further inputs: ``vector`` and the like.
        options: of the control network's handle.
        model: the denoiser's module, with which some control networks share layers.
    """

    x: Tensor
    timestep: Tensor
    context: Tensor
    inputs: Mapping[str, Tensor] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    model: Any = None

    def require(self, channels: int, context: int | None, vector: int | None) -> None:
        """Refuse a denoiser that differs from the one a control network was made for.

        Args:
            channels: of the latent.
            context: width of the prompts' states; None for any.
            vector: width of the vector that goes with them; None for none.

        Raises:
            UnsupportedControl: it differs; the message has its own numbers.
        """
        found = self.inputs.get("vector")
        given = (self.x.shape[1], self.context.shape[-1], None if found is None else found.shape[-1])
        if given != (channels, context or given[1], vector):
            raise UnsupportedControl(
                f"a model with {given[0]} latent channels, a context of {given[1]} and "
                + ("no vector" if given[2] is None else f"a vector of {given[2]}")
            )

    def blocks(self, attribute: str, width: int) -> int:
        """How many blocks of a kind the denoiser has.

        Args:
            attribute: its list of them.
            width: of the tokens that a control network was made for.

        Raises:
            UnsupportedControl: it has none, or works on tokens of another width.
        """
        blocks, found = getattr(self.model, attribute, ()), getattr(self.model, "inner_dim", None)
        if not blocks or found != width:
            raise UnsupportedControl(f"a model with tokens of {found} channels" if found else "a model without tokens")
        return len(blocks)


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

    def picture(self, hint: Tensor) -> Tensor:
        """A hint as the autoencoder is to see it: [batch, channel, height, width]; asked where hints are latents."""

    def prepare(self, module: Module, hint: Tensor) -> Any:
        """What of the work depends on the hint alone; done once in a run.

        Args:
            hint: [1 or batch, channel, height, width]: a picture in 0..1, or a latent in the network's space.
        """

    def residuals(self, module: Module, prepared: Any, call: ControlCall) -> ControlResiduals:
        """What the network adds at strength 1, for what ``prepare`` gave."""
