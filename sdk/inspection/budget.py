"""How much work reading one pack may be."""

from __future__ import annotations

import time

from sdk.inspection.values import Value

MAX_STEPS = 1_000_000  # the largest pack that was measured takes 570,000
_MAX_SECONDS = 20.0
_ITEMS_PER_STEP = 16


class BudgetSpent(Exception):
    """Reading the pack takes more steps or time than allowed."""


class Budget:
    """Bounds the work of one pack."""

    def __init__(self, steps: int = MAX_STEPS, seconds: float = _MAX_SECONDS) -> None:
        self._left = steps
        self._until = time.monotonic() + seconds

    def spend(self, steps: int = 1) -> None:
        """Count steps.

        Raises:
            BudgetSpent: they were too many.
        """
        before = self._left // 1024
        self._left -= steps
        if self._left < 0 or (self._left // 1024 != before and time.monotonic() > self._until):
            raise BudgetSpent

    def spend_for(self, value: Value) -> None:
        """Count what making a value of this size takes, in memory too.

        Raises:
            BudgetSpent: it was too much.
        """
        if isinstance(value, str | bytes | tuple | list | dict):
            self.spend(len(value) // _ITEMS_PER_STEP)
