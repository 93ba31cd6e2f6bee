"""Rows for what a job's nodes do."""

from __future__ import annotations

import csv
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from run_logger.plugin import Inert, RunLogger, from_environment
from run_logger.table import COLUMNS, Table

from sdk import node
from sdk.testing import FakeJob, load_pack

PACK = Path(__file__).parents[1]


@node(category="test")
def double(number: int = 1) -> int:
    """Twice the number."""
    return 2 * number


class Clock:
    """A second passes at each look."""

    def __init__(self) -> None:
        self.now = datetime(2024, 2, 29, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_each_node_and_each_job_is_a_row(tmp_path: Path) -> None:
    path = tmp_path / "new" / "times.csv"
    log, job = RunLogger(path, Clock()), FakeJob(id="j1")
    log.before_node(job, "3")
    log.after_node(job, "3", double, 0.25)
    log.before_node(job, "4")
    log.on_node_error(job, "4", double, ValueError("no, not this"))
    log.after_job(job, 7.5, SimpleNamespace(state="failed"))
    ran, failed, ended = rows(path)
    assert (ran["job"], ran["node"], ran["type"], ran["state"]) == ("j1", "3", "/Double", "ran")
    assert ran["seconds"] == "0.2500"
    assert (failed["state"], failed["error"]) == ("failed", "ValueError: no, not this")
    assert float(failed["seconds"]) == 1
    assert (ended["node"], ended["state"], ended["seconds"]) == ("", "failed", "7.5000")


def test_headings_are_written_once(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    Table(path).add({"job": "a"})
    Table(path).add({"job": "b"})
    assert path.read_text().splitlines()[0] == ",".join(COLUMNS)
    assert [row["job"] for row in rows(path)] == ["a", "b"]


@pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", "+1", "-1"])
def test_a_node_s_id_is_no_formula(name: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    Table(path).add({"node": name})
    assert rows(path)[0]["node"] == f"'{name}"


def test_rows_of_many_threads_stay_whole(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    log = RunLogger(path)

    def work(number: int) -> None:
        for step in range(20):
            log.before_node(FakeJob(id=str(number)), str(step))
            log.after_node(FakeJob(id=str(number)), str(step), double, 0.1)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = rows(path)
    assert len(found) == 160
    assert {row["state"] for row in found} == {"ran"}


def test_a_file_that_can_t_be_written_spoils_no_job(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    RunLogger(tmp_path / "file" / "t.csv").after_job(FakeJob(), 1.0, SimpleNamespace(state="succeeded"))
    assert "no row was written" in caplog.text


def test_without_a_file_the_pack_takes_part_in_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RUN_LOGGER_CSV", raising=False)
    with load_pack(PACK) as pack:
        assert pack.hooks == frozenset()
    assert isinstance(from_environment({"RUN_LOGGER_CSV": " "}), Inert)
    monkeypatch.setenv("RUN_LOGGER_CSV", str(tmp_path / "t.csv"))
    with load_pack(PACK) as pack:
        assert pack.hooks == {"before_node", "after_node", "on_node_error", "after_job"}
