"""Commands that packs add to the command line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sdk.errors import SdkError

NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")


class BadCommand(SdkError):
    """A command's name is none that can be typed."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return f"a command can't be called {self.name!r}; use lower-case words with hyphens between them."


@dataclass(frozen=True, kw_only=True)
class Command:
    """``comfy-nodes <name>``.

    Attributes:
        name: lower-case words with hyphens; a built-in command of that name goes first.
        function: annotated as typer reads it, with a docstring that is its help; or a ``typer.Typer``.

    Raises:
        BadCommand: the name can't be typed.
    """

    name: str
    function: Callable[..., Any]

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise BadCommand(self.name)
