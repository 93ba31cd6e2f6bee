"""Asks the host, as a program of its own: which nodes it brings, and whether packs can be imported by it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from registry_client.ownership import CORE, Claimant
from sdk.whole_files import write_whole_file

logger = logging.getLogger(__name__)

SECONDS = 300


@dataclass(frozen=True)
class ImportReport:
    """How importing the packs of a generation went.

    Attributes:
        nodes: the names that each pack's nodes answer to.
        failures: what the import of each other pack said.
        notes: what else to know of them.
        done: False where there is no host on this machine to do it.
    """

    nodes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    done: bool = True


def check_imports(generation: Path) -> ImportReport:
    """Import every pack of a generation that need not be in use, in a process of its own."""
    if _host_folder() is None:
        return ImportReport(done=False)
    with tempfile.TemporaryDirectory(prefix="comfy-nodes-") as folder:
        answer = Path(folder) / "answer.json"
        problem = _run(["-m", "host.generation_check", str(generation), str(answer)], folder)
        if not answer.is_file():
            return ImportReport(failures={"all packs together": problem or "the process ended without a word"})
        data = json.loads(answer.read_text(encoding="utf-8"))
    nodes = {pack: tuple(names) for pack, names in data["nodes"].items()}
    return ImportReport(nodes, dict(data["failures"]), tuple(data.get("notes", ())))


def host_claims(cache: Path, version: str) -> Claimant | None:
    """The names that the host's own nodes answer to; None where there is no host, or it can't say.

    Args:
        cache: file in which the answer is kept until the host's code changes.
    """
    folder = _host_folder()
    if folder is None:
        return None
    stamp = _stamp(folder)
    known = _read(cache)
    if known.get("stamp") != stamp:
        nodes = _ask_host()
        if not nodes:
            logger.warning("the host could not list its own nodes, so packs are not compared with them")
            return None
        known = {"stamp": stamp, "nodes": nodes}
        with suppress(OSError):  # then it is asked again the next time
            write_whole_file(cache, [json.dumps(known).encode()], durable=False)
    return Claimant(CORE, version, frozenset(known["nodes"]))


def _ask_host() -> list[str]:
    with tempfile.TemporaryDirectory(prefix="comfy-nodes-") as folder:
        line = [sys.executable, "-m", "host.cli", "nodes", "--safe-mode", "--json", "--base-dir", folder]
        done = subprocess.run(line, capture_output=True, text=True, cwd=folder, check=False, timeout=SECONDS)
    try:
        rows = json.loads(done.stdout)
        return sorted({str(name) for node in rows for name in (node["id"], *node.get("aliases", ()))})
    except (ValueError, KeyError, TypeError):
        return []


def _run(arguments: Sequence[str], folder: str) -> str:
    """Run Python; what it said last on standard error if it failed."""
    line = [sys.executable, *arguments]
    try:
        done = subprocess.run(line, capture_output=True, cwd=folder, check=False, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return f"it did not finish within {SECONDS} s"
    said = done.stderr.decode(errors="replace").strip().splitlines()
    if done.returncode < 0:
        return f"the process was ended by signal {-done.returncode}"
    return said[-1] if done.returncode and said else ""


def _host_folder() -> Path | None:
    spec = PathFinder.find_spec("host", [entry for entry in sys.path if entry])
    places = list(spec.submodule_search_locations or ()) if spec else []
    return Path(places[0]) if places and (Path(places[0]) / "generation_check.py").is_file() else None


def _stamp(folder: Path) -> str:
    """Changes whenever the host's code does."""
    newest, count = 0, 0
    for path in folder.rglob("*.py"):
        newest, count = max(newest, path.stat().st_mtime_ns), count + 1
    return f"{folder}-{newest}-{count}"


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
