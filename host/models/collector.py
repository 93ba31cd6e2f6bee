"""Keeps Python's collector of cyclic garbage out of the way for a moment."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collections() -> Iterator[None]:
    """For work that makes thousands of objects and no garbage.

    The collector counts objects made; it would look at every object of the program again and again, which takes longer
    than the work. Several threads may be in here; collections go on when all that found them on have left.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
