"""Compares what a pack's source code shows with what importing it gives."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdk.inspection import Inspection

_SECONDS = 300


@dataclass(frozen=True)
class Imported:
    """``schemas`` by node id; None where the pack can't be imported here, and ``reason`` says why."""

    schemas: dict[str, Any] | None
    reason: str = ""


def import_pack(folder: Path) -> Imported:
    """Import the pack in a process of its own. It runs the pack's code."""
    command = [sys.executable, "-B", "-m", "sdk.authoring.import_report", str(folder.resolve())]
    try:
        answer = subprocess.run(
            command, capture_output=True, check=False, timeout=_SECONDS, stdin=subprocess.DEVNULL, encoding="utf-8"
        )
    except subprocess.TimeoutExpired:
        return Imported(None, f"importing it took longer than {_SECONDS} s")
    lines = answer.stdout.strip().splitlines()
    if answer.returncode or not lines:
        last = answer.stderr.strip().splitlines()[-1:] or ["it ended the process"]
        return Imported(None, last[0])
    return Imported(json.loads(lines[-1]))


def differences(inspection: Inspection, schemas: dict[str, Any]) -> tuple[str, ...]:
    """In what the import differs from the source code; nodes that can't be read anyway are not counted."""
    seen = {node.id: node for node in inspection.nodes}
    found = [f"{name!r} is not there" for name in sorted(seen.keys() - schemas.keys())]
    if not inspection.unread:
        found += [f"{name!r} can't be seen in the code" for name in sorted(schemas.keys() - seen.keys())]
    for name in sorted(seen.keys() & schemas.keys()):
        schema = dict(seen[name].schema)
        if schema and schema | {"python_module": ""} != schemas[name] | {"python_module": ""}:
            found.append(f"{name!r} has other inputs or outputs")
    return tuple(found)
