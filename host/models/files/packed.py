"""Tensors that a file holds in fewer bytes than they are computed with, widened when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch  # noqa: TID253 - this module is loaded when models are opened
from torch import Tensor  # noqa: TID253


@dataclass(frozen=True, eq=False)
class Packed:
    """A tensor in the form in which its file stores it.

    Attributes:
        stored: what the file holds; never to be written to.
        shape: of the tensor.
        widen: makes the tensor, or as many rows of it as it is given, from ``stored`` on whatever device that is.
        by_rows: whether rows of ``stored`` are rows of the tensor; scalars beside them belong to all rows.
    """

    stored: tuple[Tensor, ...]
    shape: tuple[int, ...]
    widen: Callable[..., Tensor]
    by_rows: bool = True

    @property
    def nbytes(self) -> int:
        """What the file takes for it."""
        return sum(tensor.nbytes for tensor in self.stored)

    def tensor(self) -> Tensor:
        """The tensor itself."""
        return self.widen(*self.stored).reshape(self.shape)

    def narrowed(self, start: int, length: int) -> Packed:
        """Some of its rows, where it is stored by rows."""
        stored = tuple(tensor.narrow(0, start, length) if tensor.ndim else tensor for tensor in self.stored)
        return replace(self, stored=stored, shape=(length, *self.shape[1:]))

    def rows(self, indices: Tensor) -> Tensor:
        """Rows of it, where it is stored by rows, the others not widened; ``indices`` of any shape."""
        chosen = indices.flatten()
        stored = (_selected(tensor, chosen) if tensor.ndim else tensor for tensor in self.stored)
        return self.widen(*stored).reshape(*indices.shape, *self.shape[1:])

    def rounded(self, dtype: torch.dtype) -> Packed:
        """One that is rounded once it is widened."""
        return replace(self, widen=lambda *stored: self.widen(*stored).to(dtype))


def _selected(tensor: Tensor, rows: Tensor) -> Tensor:
    """Rows of a tensor, also where the device can't select numbers of eight bits."""
    if tensor.dtype.itemsize > 1:
        return tensor.index_select(0, rows)
    return tensor.view(torch.uint8).index_select(0, rows).view(tensor.dtype)
