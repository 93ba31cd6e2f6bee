"""The command line inside the test's own process: quick, as long as no model is loaded."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from host.cli import main
from sdk.terminal import NOISY_LIBRARIES
from tests.support.command_line import CHECKPOINT, Ended


class Command:
    """Calls ``main`` as the shell would."""

    def __init__(self, base: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.base, self._monkeypatch, self._capsys = base, monkeypatch, capsys

    def __call__(self, *arguments: object) -> Ended:
        self._monkeypatch.setattr(sys, "argv", ["comfy-nodes", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self._capsys.readouterr()
        assert "Traceback" not in out + err, err
        return Ended(int(ended.value.code or 0), out, err)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Command]:
    """The command line in an empty base folder; logging is put back as it was."""
    for name in NOISY_LIBRARIES:
        monkeypatch.setenv(name, "error")
    monkeypatch.setenv("NO_COLOR", "1")
    base = tmp_path / "base"
    (base / "models" / "checkpoints").mkdir(parents=True)
    (base / "models" / "checkpoints" / CHECKPOINT).touch()
    monkeypatch.chdir(base)
    root, warned = logging.getLogger(), logging.getLogger("py.warnings")
    before = root.level, list(root.handlers), warned.level
    yield Command(base, monkeypatch, capsys)
    logging.captureWarnings(False)
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    warned.setLevel(before[2])
