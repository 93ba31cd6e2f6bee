"""What a pack tells ComfyUI's modules while it is imported, beside the list of its nodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from host.comfyui.home import Home, home
from host.comfyui.route_table import Declared
from host.comfyui.surface.nodes import EXTENSION_WEB_DIRS


@dataclass(frozen=True, kw_only=True)
class Declarations:
    """What one pack has told.

    Attributes:
        scripts: folders that it named in ``nodes.EXTENSION_WEB_DIRS``, by their names in addresses.
        prompt_handlers: functions that change prompts before they are read.
        sampling_names: what it has added to the lists of samplers and schedules.
    """

    routes: tuple[Declared, ...] = ()
    scripts: Mapping[str, str] = field(default_factory=dict)
    prompt_handlers: tuple[Callable[..., Any], ...] = ()
    sampling_names: frozenset[str] = frozenset()

    def forget(self) -> None:
        """Have the host's modules forget it."""
        here = home()
        here.routes.forget(self.routes)
        here.prompt_handlers[:] = [handler for handler in here.prompt_handlers if handler not in self.prompt_handlers]
        here.sampling.take_back(self.sampling_names)


class Listening:
    """Tells apart what is told from now on."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._routes, self._handlers = len(home.routes), len(home.prompt_handlers)
        self._names = home.sampling.names

    def heard(self) -> Declarations:
        """What was told since; scripts are given once."""
        scripts = dict(EXTENSION_WEB_DIRS)
        EXTENSION_WEB_DIRS.clear()
        return Declarations(
            routes=tuple(self._home.routes[self._routes :]),
            scripts=scripts,
            prompt_handlers=tuple(self._home.prompt_handlers[self._handlers :]),
            sampling_names=self._home.sampling.names - self._names,
        )
