"""Changes to what happens inside a denoising network, as nodes ask for them and adapters follow them.

A network is a row of *places*. A UNet's are ``("input" | "middle" | "output", index)`` as its original code counts
blocks, with a third number for one of several layers in a block; a transformer's are ``("double_block" |
"single_block", index)``. Each place also has the module's own name. Importing this module imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from host.builtin_nodes.sampling.errors import UnsupportedPatches

if TYPE_CHECKING:
    from torch import Tensor

Place = tuple[str | int, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class PatchCall:
    """Where and when a patch is called.

    Attributes:
        sigma: the level.
        shape: of the network's latent input.
        sides: the side each part of the batch belongs to, in order.
        heads: of the attention it is about.
        place: where it is called, as the network's original code counts.
        name: of the module it is about: ``down_blocks.0.resnets.1``.
        model_channels: the UNet's width at the highest resolution.
    """

    sigma: float
    shape: tuple[int, ...]
    sides: tuple[str, ...]
    heads: int = 1
    place: Place = ()
    name: str = ""
    model_channels: int = 0

    def is_at(self, place: Place | str) -> bool:
        """Whether it is called at a place or one inside it, given as numbers or by the module's name."""
        if isinstance(place, str):
            return self.name == place or self.name.startswith(f"{place}.")
        return self.place[: len(place)] == place


ReplacedAttention = Callable[["Tensor", "Tensor", "Tensor", PatchCall], "Tensor"]
"""``(q, k, v, call) -> out``, all [batch, token, width], between a layer's projections."""

Attend = Callable[["Tensor", "Tensor", "Tensor"], "Tensor"]
"""A whole attention layer: ``(query_from, key_from, value_from) -> out``, all [batch, token, width]."""

AroundAttention = Callable[[Attend, "Tensor", "Tensor", "Tensor", PatchCall], "Tensor"]
"""``(attend, query_from, key_from, value_from, call) -> out``: calls ``attend`` with what the layer is to see."""

BlockPatch = Callable[["Tensor", PatchCall], "Tensor"]
"""``(hidden, call) -> hidden``, [batch, channel, height, width]."""

JoinPatch = Callable[["Tensor", "Tensor", PatchCall], tuple["Tensor", "Tensor"]]
"""``(hidden, skip, call) -> (hidden, skip)``, before an output block joins the two along the channels."""


@dataclass(frozen=True, kw_only=True)
class NetworkPatches:
    """Changes to what happens inside a network. Those of one kind are applied in the order they were added.

    Attributes:
        self_attention, cross_attention: what replaces such attention, by place or by the layer's name.
        around_self, around_cross: what is done around every layer of self- and cross-attention.
        after_input: changes of an input block's output, both for the skip connection and for what follows.
        after_skip: changes of an input block's output once the skip connection has taken it.
        after_middle: changes of the middle block's output.
        before_output: changes of what an output block joins.
        skipped: blocks of a transformer that pass on what they get.
    """

    self_attention: Mapping[Place | str, ReplacedAttention] = field(default_factory=dict)
    cross_attention: Mapping[Place | str, ReplacedAttention] = field(default_factory=dict)
    around_self: tuple[AroundAttention, ...] = ()
    around_cross: tuple[AroundAttention, ...] = ()
    after_input: tuple[BlockPatch, ...] = ()
    after_skip: tuple[BlockPatch, ...] = ()
    after_middle: tuple[BlockPatch, ...] = ()
    before_output: tuple[JoinPatch, ...] = ()
    skipped: frozenset[tuple[str, int]] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.kinds)

    def __add__(self, other: NetworkPatches) -> NetworkPatches:
        """Both; where both replace the same attention, ``other`` wins."""
        return NetworkPatches(
            self_attention={**self.self_attention, **other.self_attention},
            cross_attention={**self.cross_attention, **other.cross_attention},
            around_self=self.around_self + other.around_self,
            around_cross=self.around_cross + other.around_cross,
            after_input=self.after_input + other.after_input,
            after_skip=self.after_skip + other.after_skip,
            after_middle=self.after_middle + other.after_middle,
            before_output=self.before_output + other.before_output,
            skipped=self.skipped | other.skipped,
        )

    @property
    def kinds(self) -> frozenset[str]:
        """The attributes that ask for something."""
        return frozenset(item.name for item in fields(self) if getattr(self, item.name))

    @property
    def at_blocks(self) -> bool:
        """Whether something is asked for between blocks, and not only inside of them."""
        return bool(self.kinds & {"after_input", "after_skip", "after_middle", "before_output"})


NO_PATCHES = NetworkPatches()


@dataclass(frozen=True, kw_only=True, eq=False)
class PatchedCall:
    """The patches of one evaluation, as adapters get them."""

    patches: NetworkPatches
    call: PatchCall

    def require(self, network: str, followed: frozenset[str]) -> None:
        """Refuse patches that a kind of network has no place for, instead of leaving them out silently.

        Args:
            network: as the message names it.
            followed: the attributes of ``NetworkPatches`` that it follows.

        Raises:
            UnsupportedPatches: there are others.
        """
        if strangers := self.patches.kinds - followed:
            raise UnsupportedPatches(network, strangers)
