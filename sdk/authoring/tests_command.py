"""``comfy-nodes test``: a pack's own tests, and trials of every node."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from sdk import terminal
from sdk.authoring import options
from sdk.authoring.errors import FolderMissing, TestsFailed

Folder = Annotated[Path, typer.Argument(help="The pack's folder.", metavar="DIR")]
_PASSED, _FAILED, _NONE_COLLECTED = 0, 1, 5


def run_tests(
    folder: Folder = Path(),
    match: Annotated[str, typer.Option("-k", metavar="WORDS", help="Only tests whose names hold these words.")] = "",
    own: Annotated[bool, typer.Option("--own-only", help="The pack's own tests alone, no trials.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Name every test, and why it was skipped.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Run a pack's own tests, and try out every node on values made from what it declares.

    The trials look at descriptions, the outputs' types and ranges, changed inputs, equal results for equal inputs,
    lists, and cancelling. It runs the pack's code. Ends with 12 if a test fails.
    """
    from sdk.manifest import read_manifest

    if not folder.is_dir():
        raise FolderMissing(folder)
    folder = folder.resolve()
    manifest = read_manifest(folder)
    if importlib.util.find_spec("pytest") is None:
        raise TestsFailed(manifest.name, "its tests need pytest; run: pip install pytest", {})
    with tempfile.TemporaryDirectory(prefix="comfy-nodes-") as place:
        report = Path(place) / "report.json"
        command = _command(folder, report, match=match, trials=not own, verbose=verbose)
        ended = subprocess.run(
            command, cwd=folder, env=_environment(), check=False, stdout=subprocess.PIPE if as_json else None
        )
        outcomes = json.loads(report.read_text(encoding="utf-8")) if report.is_file() else []
    result = _result(manifest.name, manifest.version, outcomes)
    if ended.returncode not in (_PASSED, _NONE_COLLECTED):
        raise TestsFailed(manifest.name, _why(ended.returncode, result), result)
    if as_json:
        terminal.print_json(result, indent=1)


def _command(folder: Path, report: Path, *, match: str, trials: bool, verbose: bool) -> list[str]:
    command = [sys.executable, "-m", "pytest", "-p", "sdk.testing.pytest_plugin", "-p", "no:cacheprovider"]
    command += ["--rootdir", str(folder), f"--trials-report={report}"]
    command += [f"--trials={folder}"] if trials else []
    command += ["-k", match] if match else []
    return [*command, *(["-v", "-rs"] if verbose else ["-q"])]


def _environment() -> dict[str, str]:
    """The surroundings, without what would write into the pack's folder."""
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}


def _result(pack: str, version: str, outcomes: list[dict[str, str]]) -> dict[str, Any]:
    counts = Counter(outcome["outcome"] for outcome in outcomes)
    numbers = {name: counts[name] for name in ("passed", "failed", "skipped")}
    return {"pack": pack, "version": version, **numbers, "tests": outcomes}


def _why(code: int, result: dict[str, Any]) -> str:
    if result["failed"]:
        return f"{result['failed']} of {result['failed'] + result['passed']} tests failed"
    return "a test run was not possible" if code != _FAILED else "a test failed"
