"""The lists of samplers and schedules that packs put into their inputs and add their own to."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, NamedTuple

DROPPING_PENULTIMATE = frozenset(("dpm_2", "dpm_2_ancestral", "uni_pc", "uni_pc_bh2"))
"""Names of samplers that take a schedule one step longer, whose last but one level is left out."""


class NameList(list[str]):
    """The host's names, and behind them those that packs have added."""

    def __init__(self, known: Callable[[], list[str]]) -> None:
        super().__init__()
        self._ask, self._known = known, frozenset[str]()

    def refreshed(self) -> NameList:
        """This list with the names of today."""
        names = self._ask()
        self[:] = [*names, *(name for name in self.added if name not in names)]
        self._known = frozenset(names)
        return self

    @property
    def added(self) -> list[str]:
        """The names that packs have added."""
        return [name for name in self if name not in self._known]


class SchedulerHandler(NamedTuple):
    """A schedule as packs add it to ``SCHEDULER_HANDLERS``.

    Attributes:
        handler: ``handler(model_sampling, steps)``; else ``handler(n=…, sigma_min=…, sigma_max=…)``.
        use_ms: which of the two.
    """

    handler: Callable[..., Any]
    use_ms: bool = True

    def levels(self, parametrisation: Any, steps: int) -> Any:
        """The levels of a run, falling."""
        if self.use_ms:
            return self.handler(parametrisation, steps)
        return self.handler(n=steps, sigma_min=parametrisation.sigma_min, sigma_max=parametrisation.sigma_max)


@dataclass(frozen=True)
class AddedSampling:
    """What packs do to the lists of one host.

    Attributes:
        dropping: ``DISCARD_PENULTIMATE_SIGMA_SAMPLERS``.
        handlers: ``SCHEDULER_HANDLERS``, in which the host's own don't stand.
    """

    samplers: NameList
    schedulers: NameList
    dropping: set[str]
    handlers: dict[str, SchedulerHandler]

    @property
    def names(self) -> frozenset[str]:
        """All names that packs have added."""
        return frozenset((*self.samplers.added, *self.schedulers.added, *self.handlers))

    def take_back(self, names: AbstractSet[str]) -> None:
        """Forget names that packs have added."""
        for known in (self.samplers, self.schedulers):
            known[:] = [name for name in known if name not in names]
        for name in names:
            self.handlers.pop(name, None)
            self.dropping.discard(name)

    def refresh(self) -> None:
        """Bring the lists up to date, if a pack has got one."""
        for names in (self.samplers, self.schedulers):
            if names:
                names.refreshed()
