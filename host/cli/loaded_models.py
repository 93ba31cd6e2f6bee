"""``comfy-nodes models --loaded``: what a running server has in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from host.errors import HostError
from host.quantities import format_bytes
from sdk import terminal
from sdk.commands import ExitCode

PATH = "/models/loaded"
_SECONDS = 10.0
_SHOWN = {"part", "family", "device", "source", "bytes", "mapped_bytes", "streamed_bytes", "patched_layers", "borrowed"}


class NoAnswer(HostError):
    """No server answered, or something else did."""

    exit_code = ExitCode.UNREACHABLE

    def __init__(self, server: str, problem: str, remedy: str = "Start it with `comfy-nodes serve`.") -> None:
        super().__init__(server, problem, remedy)
        self.server, self.problem, self.remedy = server, problem, remedy

    def __str__(self) -> str:
        return f"{self.server} did not say what it has loaded: {self.problem}. {self.remedy}"


def show_loaded(server: str, api_key: str | None = None, *, as_json: bool) -> None:
    """Print who holds how many bytes on which device of a server; raises NoAnswer."""
    holdings = ask(server, api_key)
    if as_json:
        print(json.dumps(holdings, indent=2))
    elif not holdings:
        terminal.say(terminal.stdout(), f"{server} has no model in memory")
    else:
        terminal.print_table(
            terminal.stdout(),
            ("part", "device", "held", "of that, file pages", "streamed", "state", "file"),
            map(_row, holdings),
        )


def ask(server: str, api_key: str | None = None) -> Sequence[Mapping[str, Any]]:
    """The server's answer: one object for each model part, the largest first; raises NoAnswer."""
    headers = {} if api_key is None else {"X-API-Key": api_key}
    try:
        answer = httpx.get(server.rstrip("/") + PATH, headers=headers, timeout=_SECONDS)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise NoAnswer(server, "it wants an API key", "Give one that it knows with --api-key.")
        answer.raise_for_status()
        holdings = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise NoAnswer(server, str(error).split("\n", 1)[0] or type(error).__name__) from error
    if not isinstance(holdings, list) or not all(isinstance(each, dict) and each.keys() >= _SHOWN for each in holdings):
        raise NoAnswer(server, f"it answered {PATH} with something else")
    return holdings


def _row(holding: Mapping[str, Any]) -> tuple[str, ...]:
    patched = holding["patched_layers"]
    state = [*(["in use"] if holding["borrowed"] else []), *([f"{patched} layers patched"] if patched else [])]
    sizes = (format_bytes(holding[name]) for name in ("bytes", "mapped_bytes", "streamed_bytes"))
    part = f"{holding['family']} {holding['part']}"
    return part, holding["device"], *sizes, ", ".join(state) or "idle", holding["source"]
