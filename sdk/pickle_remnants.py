"""What trainers leave in checkpoints beside the weights, and how every reader of such pickles gets past it.

``torch.serialization.safe_globals(PLACEHOLDERS)`` has these objects replaced; nothing of them is imported or called.
torch keeps what pickles may ask for once for all threads: whoever changes that holds ``REMNANTS_LOCK`` until the file
is read.
"""

from __future__ import annotations

import threading
from typing import Any

REMNANTS_LOCK = threading.Lock()


class Remnant:
    """Stands for an object of a trainer's; knows nothing and does nothing."""

    def __new__(cls, *_arguments: Any) -> Remnant:
        return super().__new__(cls)

    def __setstate__(self, _state: Any) -> None:
        """Forget it."""


PLACEHOLDERS = tuple(
    (Remnant, name)
    for name in (
        "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
        "lightning.pytorch.callbacks.model_checkpoint.ModelCheckpoint",
        *("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"),
        *("numpy.dtype", "numpy.dtypes.Float64DType", "_codecs.encode"),
    )
)
"""The class that stands for each class or function of trainers' pickles, and its name there."""
