"""A weight in main memory: pages of its file for as long as that will do, a copy of its own where that is faster."""

from __future__ import annotations

from collections.abc import Callable

import torch  # noqa: TID253 - this module is loaded when weights are
from torch import Tensor  # noqa: TID253

from host.models.computing import winograd
from host.models.computing.amx.products import Products
from host.models.computing.stand_in import Convolution, Product
from host.models.computing.winograd_tiling import Tiling
from host.models.files.packed_source import FromPacked
from host.models.residency.ledger import Ledger

ONE_OFF_USES = 2
"""So often a weight is converted for the moment; text encoders and autoencoders of a run are rarely used more often.
From the next use on the converted or packed weight is kept, where there is room."""


class CpuWeight:
    """Makes a weight from its file when it is used, and packs it for oneDNN where that makes computing faster.

    It holds one of three: the file's pages, a converted copy, or a packed one. Packing permutes numbers and changes
    none, so that the copy it was made from needn't be kept. A 3x3 filter of a large convolution is transformed instead
    (``winograd``), and with kernels for this CPU every weight is split: that is kept beside the one it was made from.

    Args:
        view: gives the file's tensor, or from what it is widened.
        release: lets the file's pages go.
        packs: whether it is used as the filter of a convolution in two dimensions.
        multiplies: whether it is used as the matrix of a linear layer whose products are to be fast, too.
        repeats: whether it will be used many times for sure, so that it is kept in its faster form from the first on.
        products: computes with the weight where it suits, by kernels for this CPU.
    """

    def __init__(
        self,
        view: Callable[[], Tensor | FromPacked],
        dtype: torch.dtype,
        ledger: Ledger,
        *,
        packs: bool,
        release: Callable[[], None],
        multiplies: bool = False,
        repeats: bool = False,
        products: Products | None = None,
    ) -> None:
        self._get_view, self._release, self._ledger = view, release, ledger
        able = dtype == torch.float32 and torch._C._has_mkldnn
        self._packs, self._multiplies = packs and able, multiplies and able
        self._products = products
        self._view: Tensor | FromPacked | None = (stored := view())
        self._own: Tensor | None = None
        self._packed: Tensor | None = None
        self._derived: dict[Tiling | None, Tensor] = {}
        self._written = False
        self._uses, self._one_offs = 0, 0 if repeats and isinstance(stored, Tensor) else ONE_OFF_USES
        self.shape, self.dtype, self.device = stored.shape, dtype, torch.device("cpu")
        self._bytes = self.shape.numel() * dtype.itemsize
        self._stored_bytes = stored.nbytes
        self._converts = isinstance(stored, FromPacked) or stored.dtype != dtype
        ledger.mapped += self._stored_bytes

    def dense(self) -> Tensor:
        if self._own is not None:
            return self._own
        if self._packed is not None:
            return self._packed.to_dense()
        self._uses += 1
        with torch.inference_mode(False), torch.no_grad():
            if self._converts and not self._packs and self._may_keep(self._bytes):
                return self._keep(self._stored.to(self.dtype))
            return self._stored.to(self.dtype)

    def rows(self, indices: Tensor) -> Tensor:
        source = self._own if self._own is not None else self._stored
        if isinstance(source, FromPacked):
            return source.rows(indices).to(self.dtype)
        return torch.ops.aten.embedding.default(source, indices).to(self.dtype)  # type: ignore[no-any-return]

    def convolve(self, convolution: Convolution) -> Tensor | None:
        x, rest = convolution.x, (convolution.padding, convolution.stride, convolution.dilation, convolution.groups)
        if not self._packs or x.dtype != self.dtype or x.dim() != len(self.shape) or not x.numel():
            return None
        if self._products is not None and self._products.can_convolve(convolution, self.shape):
            split = self._beside(None, self._products.pack)
            return self._products.convolve(convolution, split, self.shape)
        tiling = winograd.choose_tiling(x, self.shape) if convolution.is_plain else None
        if tiling is not None:
            matrices = self._beside(tiling, lambda source: winograd.transform_filter(source, tiling))
            return winograd.convolve(x, matrices, convolution.bias, tiling)
        packed = self._packed
        if packed is None:
            reorder = torch.ops.mkldnn._reorder_convolution_weight
            packed = self._pack(lambda source: reorder(source, *rest, list(x.shape)))
        result: Tensor = torch.ops.mkldnn._convolution_pointwise(x, packed, convolution.bias, *rest, "none", [], "")
        return result if self._products is None else result.contiguous(memory_format=torch.channels_last)

    def multiply(self, product: Product) -> Tensor | None:
        x = product.x
        if not self._multiplies or x.dtype != self.dtype or x.dim() < 2 or not x.numel():
            return None
        if self._products is not None and self._products.can_multiply(product, self.shape):
            split = self._beside(None, self._products.pack)
            return self._products.multiply(product, split, self.shape)
        packed = self._packed
        if packed is None:
            rows = x.numel() // x.shape[-1]
            packed = self._pack(lambda source: torch.ops.mkldnn._reorder_linear_weight(source, rows))
        return torch.ops.mkldnn._linear_pointwise(x, packed, product.bias, "none", [], "")  # type: ignore[no-any-return]

    def write(self, value: Tensor) -> None:
        fresh = value.to(self.dtype)
        view = self._view
        if isinstance(view, Tensor) and fresh.untyped_storage().data_ptr() == view.untyped_storage().data_ptr():
            fresh = fresh.clone()
        self._packed = None
        self._drop_derived()
        self._keep(fresh)
        self._written = True

    def room(self) -> Tensor | None:
        """Its own copy, for a patched weight to be written to; None where it has none that is float32."""
        own = self._own
        return own if own is not None and own.dtype == torch.float32 and own.is_contiguous() else None

    def restore(self) -> None:
        self._drop_derived()
        self._view_again()
        self._written = False

    def _view_again(self) -> None:
        if self._view is None:
            self._view, self._own, self._packed = self._get_view(), None, None
            self._ledger.own -= self._bytes
            self._ledger.mapped += self._stored_bytes

    @property
    def _stored(self) -> Tensor | FromPacked:
        assert self._view is not None, "it has neither a converted copy nor a packed one"
        return self._view

    def _may_keep(self, bytes_: int) -> bool:
        return self._uses > self._one_offs and self._ledger.keep(bytes_)

    def _keep(self, copy: Tensor) -> Tensor:
        if self._view is not None:
            self._view = None
            self._release()
            self._ledger.mapped -= self._stored_bytes
            self._ledger.own += self._bytes
        self._own = copy
        return copy

    def _source(self) -> Tensor:
        """The true weight, to make a faster form from."""
        if self._own is not None:
            return self._own.contiguous()
        return (self._packed.to_dense() if self._packed is not None else self._stored.to(self.dtype)).contiguous()

    def _pack(self, packed_for: Callable[[Tensor], Tensor]) -> Tensor:
        """The packed weight, kept once it is worth it; the same bits come out of it before and after."""
        with torch.inference_mode(False), torch.no_grad():
            source = self._source()
            packed = packed_for(source)
        self._uses += 1
        if self._own is not None or self._may_keep(self._bytes):
            self._drop_derived()
            self._keep(source)
            self._own, self._packed = None, packed
        return packed

    def _beside(self, form: Tiling | None, derive: Callable[[Tensor], Tensor]) -> Tensor:
        """What is derived from the weight, kept once it is worth it, beside it; the same bits before and after.

        Args:
            form: the tiling that a filter is transformed for; None for a weight that is split.
        """
        if form in self._derived:
            return self._derived[form]
        with torch.inference_mode(False), torch.no_grad():
            source = self._source()
            derived = derive(source)
        self._uses += 1
        if self._may_keep(derived.nbytes):
            self._ledger.own += derived.nbytes
            self._derived[form] = derived
            if self._written:
                self._own, self._packed = source, None
            else:
                self._view_again()
                self._release()
        return derived

    def _drop_derived(self) -> None:
        dropped = sum(derived.nbytes for derived in self._derived.values())
        self._derived = {}
        self._ledger.own -= dropped
        self._ledger.room += dropped
