"""Runs uv. Which indexes it asks is for the user's own uv configuration to say."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from registry_client.errors import ClientError, InstallFailed, Unreachable

_NETWORK = ("Request failed", "error sending request", "dns error", "Failed to fetch")
_NOT_ALLOWED = "network was disabled"
_WITHOUT_NETWORK = "Try again without --offline, or name folders with wheels by --find-links."
_NO_CHOICE = "No solution found"


class NoChoice(ClientError):
    """uv found no versions that satisfy all requirements; ``text`` is its explanation."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


@dataclass(frozen=True)
class Uv:
    """How to run uv.

    Attributes:
        find_links: folders or addresses with wheels, beside the configured indexes.
        offline: use what is in uv's cache and in ``find_links`` alone.
    """

    find_links: tuple[str, ...] = ()
    offline: bool = False

    def compile(self, requirements: Path, constraints: Path, preferred: Path | None = None) -> str:
        """Versions and hashes of all that is required, in pip's format.

        Args:
            preferred: a file with pins that are kept where nothing speaks against them; it is overwritten.

        Raises:
            NoChoice: there are none.
            Unreachable: an index gave no usable answer.
        """
        options = ["--generate-hashes", "--no-header", "--no-annotate", "--no-strip-extras"]
        kept = ["--output-file", str(preferred)] if preferred else []
        said = self._run("compile", str(requirements), "--constraints", str(constraints), *options, *kept)
        return preferred.read_text(encoding="utf-8") if preferred else said

    def install(self, pins: Path, target: Path) -> None:
        """Install exactly these into a folder; every file's hash is checked.

        Raises:
            InstallFailed: it did not work.
            Unreachable: an index gave no usable answer.
        """
        try:
            self._run("install", "--target", str(target), "--no-deps", "--require-hashes", "-r", str(pins))
        except NoChoice as error:
            raise InstallFailed(f"the Python packages of the lock can't be installed here: {error.text}") from error

    def _run(self, command: str, *arguments: str) -> str:
        shared: Sequence[str] = ("--python", sys.executable, "--only-binary", ":all:", "--quiet", "--no-progress")
        links = [part for link in self.find_links for part in ("--find-links", link)]
        offline = ["--offline"] if self.offline else []
        line = [_binary(), "pip", command, *arguments, *shared, *links, *offline]
        done = subprocess.run(line, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)
        if done.returncode == 0:
            return done.stdout
        said = done.stderr.strip()
        if _NOT_ALLOWED in said:
            raise Unreachable("an index of Python packages", _first_causes(said), _WITHOUT_NETWORK)
        if any(mark in said for mark in _NETWORK):
            raise Unreachable("an index of Python packages", _first_causes(said))
        if _NO_CHOICE in said:
            raise NoChoice(_explanation(said))
        raise InstallFailed(f"uv could not {command} the Python packages that the packs need: {said}")


def _binary() -> str:
    from uv import find_uv_bin

    return str(find_uv_bin())


def _explanation(said: str) -> str:
    return "\n".join(line.strip().removeprefix("cause: ") for line in said.splitlines()[1:])


def _first_causes(said: str) -> str:
    lines = map(str.strip, said.splitlines())
    causes = [line.partition(": ")[2].rstrip(".") for line in lines if line.startswith(("error: ", "cause: "))]
    return "; ".join(dict.fromkeys(causes[:2]))
