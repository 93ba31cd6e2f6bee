from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from host import start
from sdk.commands import ExitCode

# A shell that runs the tests in the background has its children ignore interrupts; a terminal's children don't.
HEARING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
PROGRAM = f"{HEARING}; import sys; sys.argv[0] = 'comfy-nodes'; from host.start import main; main()"
ROOT = Path(__file__).parents[2]
SECONDS = 120
SAY_AND_WAIT = "import threading\nprint('here', flush=True)\nthreading.Event().wait()\n"
SWALLOW_AND_GO_ON = f"try:\n    {SAY_AND_WAIT.replace(chr(10), chr(10) + '    ')}\nexcept BaseException:\n    pass\n"


@contextmanager
def started(folder: Path, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    """The program with ``folder`` first among those it imports from, once something in there has said "here"."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("module", [SAY_AND_WAIT, SWALLOW_AND_GO_ON])
def test_an_interrupt_while_the_command_line_is_imported_ends_it_quietly(tmp_path: Path, module: str) -> None:
    (tmp_path / "typer.py").write_text(module)
    with started(tmp_path, "nodes") as process:
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=SECONDS) == ("", "")
        assert process.returncode == ExitCode.CANCELLED


def test_an_interrupt_while_a_pack_is_imported_ends_the_command_quietly(tmp_path: Path) -> None:
    pack = tmp_path / "slow"
    pack.mkdir()
    (pack / "__init__.py").write_text(SAY_AND_WAIT + "NODE_CLASS_MAPPINGS = {}\n")
    arguments = ("nodes", "--base-dir", tmp_path, "--pack-dir", pack)
    with started(tmp_path, *arguments) as process:
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=SECONDS) == ("", "")
        assert process.returncode == ExitCode.CANCELLED


def test_what_was_printed_is_written_before_an_interrupt_can_end_the_process(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit\natexit.register(lambda: exec('import os, signal; os.kill(os.getpid(), signal.SIGINT)'))\n"
        "print('here', flush=True)\n"
    )
    with started(tmp_path, "--version") as process:
        out, err = process.communicate(timeout=SECONDS)
        assert (out.split()[0], err) == ("comfy-nodes", "")
        assert process.returncode == ExitCode.CANCELLED


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full: Linux's /dev/full")
@pytest.mark.parametrize("arguments", [("nodes",), ("nodes", "--json"), ("--version",)])
def test_a_disk_that_is_full_is_a_sentence(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "models").mkdir()
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (1, "error: standard output can't be written: No space left on device\n")


def test_the_code_is_that_of_a_cancelled_command() -> None:
    assert start.CANCELLED == ExitCode.CANCELLED
