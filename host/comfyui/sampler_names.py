"""The lists of samplers and schedules that packs put into their inputs and append to, kept up to date."""

from __future__ import annotations

from collections.abc import Callable

from host.comfyui.home import home


class NameList(list[str]):
    """The host's names, and behind them those that packs have appended."""

    def __init__(self, known: Callable[[], list[str]]) -> None:
        super().__init__()
        self._ask, self._known = known, frozenset[str]()

    def refreshed(self) -> NameList:
        """This list with the names of today."""
        names = self._ask()
        added = [name for name in self if name not in self._known and name not in names]
        self[:] = [*names, *added]
        self._known = frozenset(names)
        return self


SAMPLERS = NameList(lambda: home().samplers())
SCHEDULERS = NameList(lambda: home().schedulers())


def refresh() -> None:
    """Bring the lists up to date, if a pack has got one."""
    for names in (SAMPLERS, SCHEDULERS):
        if names:
            names.refreshed()
