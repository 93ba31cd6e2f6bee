"""Load on an HTTP server: ``wrk`` (Debian's package), from another core than the server's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MISSING = "wrk is missing: apt-get install wrk"
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
_SCRIPT = """
local paths = {}
for line in io.lines("%s") do paths[#paths + 1] = line end
local position = 0
request = function()
  position = position %% #paths + 1
  return wrk.format("GET", paths[position])
end
"""


@dataclass(frozen=True)
class Load:
    """What a server did in some seconds.

    Attributes:
        rate: answers a second.
        median, p99: milliseconds.
        refused: answers that were neither 2xx nor 3xx.
    """

    rate: float
    median: float
    p99: float
    refused: int


def available() -> bool:
    """Whether load can be made here."""
    return shutil.which("wrk") is not None


def load(root: str, paths: Sequence[str], *, seconds: int = 5, connections: int = 16, header: str = "") -> Load:
    """Ask for these paths in turn, as fast as the server answers."""
    with tempfile.TemporaryDirectory() as folder:
        listing, script = Path(folder) / "paths", Path(folder) / "ask.lua"
        listing.write_text("\n".join(paths) + "\n", encoding="utf-8")
        script.write_text(_SCRIPT % listing, encoding="utf-8")
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "-s", str(script)]
        command += ["-H", header] if header else []
        said = subprocess.run([*_beside(), *command, root], capture_output=True, text=True, check=True).stdout
    return Load(
        rate=float(re.search(r"Requests/sec:\s*([\d.]+)", said)[1]),  # type: ignore[index]
        median=_milliseconds(said, "50%"),
        p99=_milliseconds(said, "99%"),
        refused=int(found[1]) if (found := re.search(r"Non-2xx or 3xx responses: (\d+)", said)) else 0,
    )


def server_core() -> int:
    """The core that servers under load have for themselves."""
    return sorted(os.sched_getaffinity(0))[-1]


def pin(core: int) -> None:
    """Keep this process to one core."""
    os.sched_setaffinity(0, {core})


def _beside() -> list[str]:
    others = sorted(os.sched_getaffinity(0))[:-1]
    return ["taskset", "-c", ",".join(map(str, others))] if others and shutil.which("taskset") else []


def _milliseconds(said: str, name: str) -> float:
    found = re.search(rf"{name}\s+([\d.]+)(us|ms|s)", said)
    assert found is not None, said
    return float(found[1]) * _UNITS[found[2]]
