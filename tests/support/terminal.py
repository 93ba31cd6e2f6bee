"""A terminal of a given width with the command line in it, for tests that look at the screen and press Ctrl-C."""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path

SECONDS = 120
CONTROL_C = b"\x03"
SHOW_CURSOR = "\x1b[?25h"
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# The child makes the terminal its own, so that Ctrl-C is a signal to it, and becomes the command.
_ADOPT = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"


class Terminal:
    """Runs one command; ``screen`` is everything it has written so far, without escape sequences."""

    def __init__(self, *arguments: object, folder: Path, environment: Mapping[str, str], columns: int = 80) -> None:
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        command = [sys.executable, "-m", "host.cli", *map(str, arguments)]
        variables = {k: v for k, v in environment.items() if k not in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR")}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _ADOPT, *command],
            cwd=folder,
            env={**variables, "TERM": "xterm-256color"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.raw = b""

    @property
    def screen(self) -> str:
        return _ESCAPES.sub("", self.text)

    @property
    def text(self) -> str:
        """What was written, as it was."""
        return self.raw.decode("utf-8", "replace").replace("\r\n", "\n")

    def wait_for(self, words: str) -> None:
        """Read until these words are on the screen."""
        deadline = time.monotonic() + SECONDS
        while words not in self.screen:
            assert self._read(deadline), f"{words!r} never came: {self.screen}"

    def press(self, key: bytes) -> None:
        os.write(self._master, key)

    def end(self) -> int:
        """Read to the end; gives the exit code."""
        deadline = time.monotonic() + SECONDS
        while self._read(deadline):
            assert time.monotonic() < deadline, f"it did not end: {self.screen}"
        code = self._process.wait(SECONDS)
        assert "Traceback" not in self.screen, self.screen
        return code

    def close(self) -> None:
        """Leave nothing behind, however the test went."""
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def _read(self, deadline: float) -> bool:
        """Take what there is to read; False at the end of it."""
        ready, _, _ = select.select([self._master], [], [], max(0.0, deadline - time.monotonic()))
        try:
            data = os.read(self._master, 65536) if ready else b""
        except OSError:  # how Linux says that the last one who could write has gone
            return False
        self.raw += data
        return bool(data)
