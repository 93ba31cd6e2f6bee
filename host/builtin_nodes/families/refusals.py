"""Why a header can't be one of a family's files."""

from __future__ import annotations


class LayoutError(Exception):
    """A header doesn't have the layout that was looked for; ``reason`` says in a few words where it departs from it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class PackedWeights(LayoutError):
    """Weights are packed into whole numbers (bitsandbytes' nf4, NVFP4, int8 …); ``key`` is one of them."""

    def __init__(self, key: str, dtype: str) -> None:
        super().__init__(f"its weights are packed in a way that isn't known here ({key} is {dtype})")
        self.key, self.dtype = key, dtype


WHOLE_NUMBERS = frozenset({"U8", "I8"})
"""Dtypes in which weights are packed."""
