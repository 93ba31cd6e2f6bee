"""Why a pack could not be loaded, for people: what happened, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, field

from host.engine.errors import DuplicateNode
from host.packs import PackNotLoadable, PackSource
from host.watchdog import TookTooLong
from sdk.errors import SdkError


@dataclass(frozen=True)
class PackFailure:
    """A pack that could not be loaded: who, what happened, and what to do."""

    pack: str
    version: str
    origin: str
    error: str
    hint: str
    traceback: str = field(default="", repr=False)

    def __str__(self) -> str:
        return f"pack {self.pack} {self.version} ({self.origin}) was not loaded: {self.error} {self.hint}"


def describe(error: BaseException, source: PackSource) -> tuple[str, str]:
    """What went wrong while loading a pack, and what to do about it, each one sentence."""
    if isinstance(error, SystemExit):
        return f"it tried to exit the program (code {error.code}).", "Ask its author to raise an error instead."
    if isinstance(error, TookTooLong):
        return (
            f"it did not finish within {error.seconds:g} s.",
            "It may be stuck or downloading; look at its import code.",
        )
    if isinstance(error, ModuleNotFoundError) and error.name:
        return (
            f"it needs the Python package {error.name!r}.",
            f"Install it, or reinstall {source.name} with its requirements.",
        )
    if isinstance(error, PackNotLoadable):
        return f"{error.problem}.", error.remedy
    leave_out = f"leave {source.name} out with the option --packs of `run` and `serve`"
    if isinstance(error, DuplicateNode):
        return str(error), f"Until then, {leave_out}."
    if isinstance(error, SdkError):
        return f"{str(error).rstrip('.')}.", f"Report this to the author of {source.name}, or {leave_out}."
    return (
        f"{type(error).__name__}: {str(error).rstrip('.')}.",
        f"Run with --log-level debug for the traceback, or {leave_out}.",
    )
