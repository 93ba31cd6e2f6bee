"""Leaves blocks of a transformer out of one evaluation."""

# ruff: noqa: TID253 - imported when a model is opened, never on the start-up path
from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch.nn import Module, ModuleList

from host.builtin_nodes.sampling.patches import PatchedCall

_FOLLOWED = frozenset({"skipped"})


@contextmanager
def without_skipped(module: Module, lists: Mapping[str, str], patches: PatchedCall | None, name: str) -> Iterator[None]:
    """The transformer without the blocks that the patches skip; afterwards it is as it was.

    Args:
        module: the transformer.
        lists: the attribute that holds its blocks, by the kind of block as patches call it.
        patches: of this evaluation, if there are any.
        name: the network's, for messages.

    Raises:
        UnsupportedPatches: the patches ask for something else than skipping.
    """
    if patches is None:
        yield
        return
    patches.require(name, _FOLLOWED)
    network: Any = module
    before = {attribute: getattr(network, attribute) for attribute in lists.values()}
    try:
        for kind, attribute in lists.items():
            left = [
                block for number, block in enumerate(before[attribute]) if (kind, number) not in patches.patches.skipped
            ]
            setattr(network, attribute, ModuleList(left))
        yield
    finally:
        for attribute, blocks in before.items():
            setattr(network, attribute, blocks)
