"""A weight in main memory: pages of its file for as long as that will do, a copy of its own where that is faster."""

from __future__ import annotations

from collections.abc import Callable

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor  # noqa: TID253

from host.models.ledger import Ledger
from host.models.stand_in import Convolution

ONE_OFF_USES = 2
"""So often a weight is converted for the moment; text encoders and autoencoders of a run are rarely used more often.
From the next use on the converted or packed weight is kept, where there is room."""


class CpuWeight:
    """Converts a file's tensor when it is used, and packs it for oneDNN where it is a filter of convolutions.

    It holds one of three: the file's pages, a converted copy, or a packed one. Packing permutes numbers and changes
    none, so that the copy it was made from needn't be kept.

    Args:
        view: gives the file's tensor.
        release: lets the file's pages go.
        packs: whether it is used as the filter of a convolution in two dimensions.
    """

    def __init__(
        self,
        view: Callable[[], Tensor],
        dtype: torch.dtype,
        ledger: Ledger,
        *,
        packs: bool,
        release: Callable[[], None],
    ) -> None:
        self._get_view, self._release, self._ledger = view, release, ledger
        self._packs = packs and dtype == torch.float32 and torch._C._has_mkldnn
        self._view: Tensor | None = view()
        self._own: Tensor | None = None
        self._packed: Tensor | None = None
        self._uses = 0
        self.shape, self.dtype, self.device = self._view.shape, dtype, torch.device("cpu")
        self._bytes = self.shape.numel() * dtype.itemsize
        self._stored_bytes = self._view.nbytes
        ledger.mapped += self._stored_bytes

    def dense(self) -> Tensor:
        if self._own is not None:
            return self._own
        if self._packed is not None:
            return self._packed.to_dense()
        self._uses += 1
        with torch.inference_mode(False), torch.no_grad():
            if self._stored.dtype != self.dtype and not self._packs and self._may_keep():
                return self._keep(self._stored.to(self.dtype))
            return self._stored.to(self.dtype)

    def rows(self, indices: Tensor) -> Tensor:
        source = self._own if self._own is not None else self._stored
        return torch.ops.aten.embedding.default(source, indices).to(self.dtype)  # type: ignore[no-any-return]

    def convolve(self, convolution: Convolution) -> Tensor | None:
        x, rest = convolution.x, (convolution.padding, convolution.stride, convolution.dilation, convolution.groups)
        if not self._packs or x.dtype != self.dtype or x.dim() != len(self.shape) or not x.numel():
            return None
        packed = self._packed if self._packed is not None else self._pack(x, *rest)
        return torch.ops.mkldnn._convolution_pointwise(  # type: ignore[no-any-return]
            x, packed, convolution.bias, *rest, "none", [], ""
        )

    def write(self, value: Tensor) -> None:
        fresh = value.to(self.dtype)
        if self._view is not None and fresh.untyped_storage().data_ptr() == self._view.untyped_storage().data_ptr():
            fresh = fresh.clone()
        self._packed = None
        self._keep(fresh)

    def room(self) -> Tensor | None:
        """Its own copy, for a patched weight to be written to; None where it has none that is float32."""
        own = self._own
        return own if own is not None and own.dtype == torch.float32 and own.is_contiguous() else None

    def restore(self) -> None:
        if self._view is None:
            self._view, self._own, self._packed = self._get_view(), None, None
            self._ledger.own -= self._bytes
            self._ledger.mapped += self._stored_bytes

    @property
    def _stored(self) -> Tensor:
        assert self._view is not None, "it has neither a converted copy nor a packed one"
        return self._view

    def _may_keep(self) -> bool:
        return self._uses > ONE_OFF_USES and self._ledger.keep(self._bytes)

    def _keep(self, copy: Tensor) -> Tensor:
        if self._view is not None:
            self._view = None
            self._release()
            self._ledger.mapped -= self._stored_bytes
            self._ledger.own += self._bytes
        self._own = copy
        return copy

    def _pack(self, x: Tensor, padding: object, stride: object, dilation: object, groups: int) -> Tensor:
        """The packed filter, kept from the third use on; the same bits come out of it before and after."""
        with torch.inference_mode(False), torch.no_grad():
            source = self._own if self._own is not None else self._stored.to(self.dtype)
            packed: Tensor = torch.ops.mkldnn._reorder_convolution_weight(
                source.contiguous(), padding, stride, dilation, groups, list(x.shape)
            )
        self._uses += 1
        if self._own is not None or self._may_keep():
            self._keep(source)
            self._own, self._packed = None, packed
        return packed
