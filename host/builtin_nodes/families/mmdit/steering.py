"""Leaves blocks of a transformer out of one evaluation, and adds to what its blocks give."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, ModuleList

from host.builtin_nodes.controlnet.errors import UnsupportedControl
from host.builtin_nodes.controlnet.residuals import ControlResiduals
from host.builtin_nodes.sampling.patches import PatchedCall

_FOLLOWED = frozenset({"skipped"})


class SteeredBlock(Module):
    """A block, or nothing in its place, and what control networks add to the picture's states after it."""

    def __init__(self, block: Module | None, residual: Tensor | None) -> None:
        super().__init__()
        self.block, self.residual = block, residual

    def forward(self, hidden_states: Tensor, encoder_hidden_states: Tensor, *others: Any, **more: Any) -> Any:
        """(the prompt's states, the picture's), as the transformers' own blocks give them."""
        context, hidden = encoder_hidden_states, hidden_states
        if self.block is not None:
            context, hidden = self.block(hidden_states, encoder_hidden_states, *others, **more)
        return context, hidden if self.residual is None else _plus(hidden, self.residual)


@contextmanager
def steered(
    module: Module,
    lists: Mapping[str, str],
    *,
    patches: PatchedCall | None,
    control: ControlResiduals | None,
    name: str,
) -> Iterator[None]:
    """The transformer without the blocks that patches skip, and with what control networks add; then as it was.

    Args:
        module: the transformer.
        lists: the attribute that holds its blocks, by the kind of place that control networks add to; patches call
            these blocks ``<kind>_block``.
        patches: of this evaluation, if there are any.
        control: residuals [batch, tokens, width], one for each block of a kind; the first tokens are the picture's.
        name: the network's, for messages.

    Raises:
        UnsupportedPatches: the patches ask for something else than skipping.
        UnsupportedControl: residuals are for places, or of a width, that the transformer doesn't have.
    """
    if patches is None and control is None:
        yield
        return
    if patches is not None:
        patches.require(name, _FOLLOWED)
    if control is not None:
        control.require(name, frozenset(lists))
    network: Any = module
    before = {attribute: getattr(network, attribute) for attribute in lists.values()}
    try:
        for kind, attribute in lists.items():
            residuals = () if control is None else _fitting(control.of(kind), network, name)
            setattr(network, attribute, ModuleList(_blocks(kind, before[attribute], patches, residuals)))
        yield
    finally:
        for attribute, blocks in before.items():
            setattr(network, attribute, blocks)


def _blocks(
    kind: str, blocks: Sequence[Module], patches: PatchedCall | None, residuals: Sequence[Tensor | None]
) -> Iterator[Module]:
    skipped = frozenset() if patches is None else patches.patches.skipped
    for number, block in enumerate(blocks):
        residual = residuals[number] if number < len(residuals) else None
        left_out = (f"{kind}_block", number) in skipped
        if residual is not None:
            yield SteeredBlock(None if left_out else block, residual)
        elif not left_out:
            yield block


def _fitting(residuals: Sequence[Tensor | None], network: Any, name: str) -> list[Tensor | None]:
    weight = next(network.parameters())
    for residual in residuals:
        if residual is not None and residual.shape[-1] != network.inner_dim:
            raise UnsupportedControl(f"{name} with {network.inner_dim} channels", [f"{residual.shape[-1]} channels"])
    return [None if residual is None else residual.to(weight.device, weight.dtype) for residual in residuals]


def _plus(hidden: Tensor, residual: Tensor) -> Tensor:
    tokens = residual.shape[1]
    if tokens == hidden.shape[1]:
        return hidden + residual
    return torch.cat([hidden[:, :tokens] + residual, hidden[:, tokens:]], dim=1)
