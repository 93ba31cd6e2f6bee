"""``comfy-nodes bisect``: which packs together make a command fail."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from registry_client.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from registry_client.lockfile import Lock

Check = Annotated[
    str,
    typer.Option(metavar="COMMAND", help="Fails when it ends with another code than 0. Default: the host starts."),
]


def bisect(
    check: Check = "",
    timeout: Annotated[float, typer.Option(min=1, help="Seconds after which the command has failed.")] = 600,
    base_dir: options.BaseDir = None,
    as_json: options.AsJson = False,
    log_level: options.LogLevel = "warning",
) -> None:
    """Find the smallest set of packs with which a command fails. The installation stays as it is.

    Example: comfy-nodes bisect --check "comfy-nodes run workflow.json"
    """
    from registry_client.bisecting import find_guilty
    from registry_client.errors import CheckFailed
    from sdk.terminal import print_json, say, stdout

    client = options.open_client(base_dir, log_level=log_level)
    command = shlex.split(check) or [sys.executable, "-m", "host.cli", "nodes", "--json"]
    lock = client.lock()
    found = find_guilty(lock, _runner(command, client.settings.base_dir, timeout, as_json))
    if as_json:
        print_json({"state": "succeeded", "guilty": list(found.packs), "runs": found.runs, "reason": found.reason})
    elif found.packs:
        say(stdout(), f"guilty: {', '.join(_named(lock, found.packs))} (found in {found.runs} runs)")
    if found.packs and not as_json:
        raise CheckFailed(f"{found.reason} Try `comfy-nodes disable {found.packs[-1]}`.")
    if found.packs:
        raise typer.Exit(CheckFailed.exit_code)
    if not as_json:
        say(stdout(), found.reason)


def _named(lock: Lock, packs: Sequence[str]) -> list[str]:
    return [str(lock.require(pack)) for pack in packs]


def _runner(command: Sequence[str], base_dir: Path, timeout: float, quiet: bool) -> Callable[[Sequence[str]], bool]:
    from sdk.terminal import say, stderr

    def fails(packs: Sequence[str]) -> bool:
        # The host reads these; so the installation itself need not be touched.
        chosen = {"COMFY_NODES_PACKS": ",".join(packs), "COMFY_NODES_BASE_DIR": str(base_dir)}
        try:
            done = subprocess.run(
                command, env={**os.environ, **chosen}, capture_output=True, timeout=timeout, check=False
            )
            failed, how = done.returncode != 0, f"code {done.returncode}"
        except subprocess.TimeoutExpired:
            failed, how = True, f"not done after {timeout:g} s"
        except OSError as error:
            raise typer.BadParameter(f"--check: {command[0]} can't be run ({error.strerror})") from error
        if not quiet:
            say(stderr(), f"{'fails' if failed else 'works'} with {', '.join(packs) or 'no pack'} ({how})")
        return failed

    return fails
