"""Files of writers that were killed go, those of writers at work stay."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from sdk.part_files import part_name, remove_stale_parts

WRITER = """
import sys, time
from pathlib import Path
from sdk.part_files import part_name
path = Path(sys.argv[1]) / part_name()
path.write_text("half")
print(path.name, flush=True)
sys.stdin.read()
"""


def test_the_file_of_a_killed_writer_goes_and_that_of_a_living_one_stays(tmp_path: Path) -> None:
    line = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        name = writer.stdout.readline().strip()
        remove_stale_parts(tmp_path)
        assert (tmp_path / name).exists()
        writer.send_signal(signal.SIGKILL)
    own = tmp_path / part_name()
    own.write_text("half")
    remove_stale_parts(tmp_path)
    assert os.listdir(tmp_path) == [own.name]


def test_files_of_other_names_and_of_other_machines_stay_for_a_day(tmp_path: Path) -> None:
    elsewhere = tmp_path / f".{'0' * 16}-00000000-1.part"
    others = [elsewhere, tmp_path / "mine.part", tmp_path / ".hidden.part"]
    for path in others:
        path.write_text("x")
    remove_stale_parts(tmp_path)
    assert all(path.exists() for path in others)
    for path in others:
        os.utime(path, (1, 1))
    remove_stale_parts(tmp_path)
    assert [path.exists() for path in others] == [False, True, True]


def test_a_folder_that_is_not_there_is_no_error(tmp_path: Path) -> None:
    remove_stale_parts(tmp_path / "none")


def test_a_folder_of_a_killed_writer_goes_with_what_is_in_it(tmp_path: Path) -> None:
    folder = tmp_path / f".{'0' * 16}-00000000-1.part"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "file").write_text("half")
    os.utime(folder, (1, 1))
    remove_stale_parts(tmp_path)
    assert os.listdir(tmp_path) == []
