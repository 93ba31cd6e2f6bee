"""What weights are made from that are no views of their file: packed tensors, seen as a module wants them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor  # noqa: TID253

from host.models.files.packed import Packed
from host.models.loading import seen
from sdk.models import TensorSource


@dataclass(frozen=True, eq=False)
class FromPacked:
    """A weight as a source describes it, of a tensor that is stored packed."""

    packed: Packed
    source: TensorSource

    @classmethod
    def of(cls, packed: Packed, source: TensorSource) -> FromPacked:
        """Where the source takes rows, and the tensor is stored by rows, the others aren't widened."""
        rows = source.narrow is not None and source.narrow[0] == 0 and not source.transpose and packed.by_rows
        if not rows or source.narrow is None:
            return cls(packed, source)
        return cls(packed.narrowed(*source.narrow[1:]), replace(source, narrow=None))

    @cached_property
    def shape(self) -> torch.Size:
        blank = torch.empty(self.packed.shape, device="meta")
        return _seen(blank, self.source).shape

    @cached_property
    def nbytes(self) -> int:
        """The weight's share of what the file takes for the tensor."""
        whole = math.prod(self.packed.shape)
        return self.packed.nbytes * self.shape.numel() // whole if whole else 0

    def tensor(self) -> Tensor:
        """The weight in the dtype it is widened to, made anew each time."""
        return _seen(self.packed.tensor(), self.source)

    def to(self, dtype: torch.dtype) -> Tensor:
        """The same in any dtype; a part of a tensor doesn't keep the rest of it alive."""
        return self.tensor().to(dtype, copy=self.source.narrow is not None)

    def rows(self, indices: Tensor) -> Tensor:
        """Rows of the weight, the others not widened where the file stores it by rows."""
        plain = self.source == TensorSource(self.source.key)
        if plain and self.packed.by_rows:
            return self.packed.rows(indices)
        return torch.ops.aten.embedding.default(self.to(torch.float32), indices)  # type: ignore[no-any-return]


def _seen(tensor: Tensor, source: TensorSource) -> Tensor:
    view = seen(tensor, source)
    assert view is not None, "loading has checked every source"
    return view
