"""Starts the process of an isolated pack, with a line to it."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

WORKER = Path(__file__).with_name("worker.py")
SECONDS = 30


def start(
    path: Sequence[str], *, by_network: bool = not hasattr(socket, "AF_UNIX")
) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A new process, which has said nothing yet, and the line to it.

    Args:
        path: where it looks for modules.
        by_network: connect over the machine's own network, where processes can't inherit a line.
    """
    if by_network:
        return _start_by_network(path)
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = _run(["inherited", str(theirs.fileno())], path, pass_fds=(theirs.fileno(),))
        except BaseException:
            ours.close()
            raise
    return process, ours


def _start_by_network(path: Sequence[str]) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """The process proves with a secret, which it reads from its standard input, that it is the one we started."""
    secret = secrets.token_hex(16).encode()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        process = _run(["network", str(listener.getsockname()[1])], path, stdin=subprocess.PIPE)
        try:
            assert process.stdin is not None
            with process.stdin as stdin:
                stdin.write(secret)
            while True:
                line, _ = listener.accept()
                line.settimeout(SECONDS)
                if secrets.compare_digest(line.recv(len(secret), socket.MSG_WAITALL), secret):
                    line.settimeout(None)
                    return process, line
                line.close()
        except BaseException:
            process.kill()
            process.wait()
            raise


def _run(
    how: list[str], path: Sequence[str], *, pass_fds: tuple[int, ...] = (), stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    line = [sys.executable, "-P", str(WORKER), *how, json.dumps(list(path))]
    return subprocess.Popen(line, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=pass_fds)
