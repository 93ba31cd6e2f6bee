"""Reports of jobs that go well, fail, overlap and meet a full disk."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path
from typing import IO, Any

import pytest
from run_report.journal import Journal, prune
from run_report.plugin import Inert, RunReport, from_environment
from run_report.tally import needed_by

from sdk import Identity, ModelHandle, NodeError, NodeResult, node
from sdk.testing import FakeJob, load_pack

PACK = Path(__file__).parents[1]
PROMPT = {
    "a": {"class_type": "Double", "inputs": {"value": 1}},
    "b": {"class_type": "Double", "inputs": {"value": ["a", 0]}},
    "c": {"class_type": "Double", "inputs": {"value": 3}},
}
JOB = FakeJob(id="job-1", prompt=PROMPT, outputs=("b",))
HANDLE = ModelHandle(
    key="k:vae:float32",
    part="vae",
    identity=Identity(family="sd1", kind="vae", config={}, because="a test"),
    adapter=None,
)


@node(category="test")
def double(value: int) -> int:
    """Twice the value."""
    return 2 * value


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no")


def lines(folder: Path, pattern: str = "*.jsonl") -> list[dict[str, Any]]:
    (path,) = folder.glob(pattern)
    return [json.loads(line) for line in path.read_text().splitlines()]


def open_full() -> IO[str]:
    """A file on a disk without space."""
    return Path("/dev/full").open("w")


def run(report: RunReport, node_id: str, job: FakeJob = JOB, seconds: float = 0.5) -> None:
    report.before_node(job, node_id)
    report.after_node(job, node_id, double, seconds)


@pytest.fixture
def report(tmp_path: Path) -> RunReport:
    return RunReport(tmp_path, clock=lambda: 1709208000.0)


def test_a_report_tells_who_ran_how_long_and_what_was_loaded(report: RunReport, tmp_path: Path) -> None:
    report.before_job(JOB)
    report.before_node(JOB, "b")
    report.before_model_load(HANDLE, 100)
    report.after_model_evicted(HANDLE, 60)
    report.after_node(JOB, "b", double, 0.25)
    report.after_job(JOB, 0.5)
    started, loading, evicted, ran, ended = lines(tmp_path, "20240229T120000Z-job-1.jsonl")
    assert started == {"event": "job_started", "at": 1709208000.0, "job": "job-1", "nodes": 3}
    assert (loading["event"], loading["part"], loading["bytes"]) == ("model_loading", "vae", 100)
    assert (evicted["event"], evicted["bytes"]) == ("model_evicted", 60)
    assert (ran["node"], ran["type"], ran["seconds"]) == ("b", "/Double", 0.25)
    assert ended == {
        "event": "job_ended",
        "at": 1709208000.0,
        "seconds": 0.5,
        "failed": False,
        "nodes_run": 1,
        "nodes_unfinished": [],
        "nodes_reused": ["a"],
        "nodes_unneeded": ["c"],
        "models_loaded": 1,
        "bytes_loaded": 100,
        "bytes_evicted": 60,
        "lines_left_out": 0,
    }


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NodeError("no such file"), "sdk.errors.NodeError: no such file"),
        (ValueError("x" * 9000), "ValueError: " + "x" * 1988),
    ],
)
def test_an_error_is_reported_at_bounded_length(report: RunReport, tmp_path: Path, error: Exception, said: str) -> None:
    report.before_job(JOB)
    report.before_node(JOB, "b")
    report.on_node_error(JOB, "b", double, error)
    report.after_job(JOB, 1.0)
    _, failed, ended = lines(tmp_path)
    assert failed["error"] == said
    assert (ended["failed"], ended["nodes_unfinished"]) == (True, [])


def test_an_error_that_can_t_be_printed_is_reported_all_the_same(report: RunReport, tmp_path: Path) -> None:
    report.before_job(JOB)
    report.on_node_error(JOB, "b", double, Unprintable())
    assert "Unprintable" in lines(tmp_path)[1]["error"]
    report.after_job(JOB, 1.0)


def test_a_node_that_a_cancelled_job_left_is_unfinished(report: RunReport, tmp_path: Path) -> None:
    report.before_job(JOB)
    report.before_node(JOB, "a")
    report.after_job(JOB, 1.0)
    assert lines(tmp_path)[-1]["nodes_unfinished"] == ["a"]


def test_lines_are_there_before_the_job_ends(report: RunReport, tmp_path: Path) -> None:
    report.before_job(JOB)
    run(report, "a")
    assert [line["event"] for line in lines(tmp_path)] == ["job_started", "node_ran"]
    report.after_job(JOB, 1.0)


def test_jobs_on_several_threads_write_whole_lines_into_their_own_reports(report: RunReport, tmp_path: Path) -> None:
    def work(number: int) -> None:
        job = FakeJob(id=f"job-{number}", prompt=PROMPT, outputs=("b",))
        report.before_job(job)
        for _ in range(50):
            run(report, "a", job, seconds=number)
            report.before_model_load(HANDLE, number)
        report.after_job(job, 1.0)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(4):
        written = lines(tmp_path, f"*-job-{number}.jsonl")
        assert len(written) == 102
        assert {line["seconds"] for line in written if line["event"] == "node_ran"} == {number}
        assert written[-1]["bytes_loaded"] == 50 * number


def test_a_model_event_of_no_known_job_is_left_out(report: RunReport, tmp_path: Path) -> None:
    report.before_model_load(HANDLE, 1)
    for number in range(2):
        thread = threading.Thread(target=report.before_job, args=(FakeJob(id=f"job-{number}"),))
        thread.start()
        thread.join()
    report.before_model_load(HANDLE, 1)
    for number in range(2):
        assert len(lines(tmp_path, f"*-job-{number}.jsonl")) == 1
        report.after_job(FakeJob(id=f"job-{number}"), 1.0)


def test_a_full_disk_is_logged_once_and_fails_nothing(tmp_path: Path, caplog) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full, a device on which every write fails, as on Linux")
    journal = Journal(tmp_path, "x", 0.0, create=lambda *_: open_full())
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            journal.write("node_ran", 0.0)
        journal.close("job_ended", 0.0)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "No space left on device" in caplog.text


def test_a_folder_that_can_t_be_made_is_logged_and_fails_nothing(tmp_path: Path, caplog) -> None:
    (tmp_path / "taken").write_text("a file")
    report = RunReport(tmp_path / "taken")
    with caplog.at_level(logging.WARNING):
        report.before_job(JOB)
        run(report, "a")
        report.after_job(JOB, 1.0)
    assert len(caplog.records) == 1
    assert "there will be no report of job job-1" in caplog.text


def test_a_long_report_keeps_its_last_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "x", 0.0, limit=2)
    for _ in range(5):
        journal.write("node_ran", 0.0)
    journal.close("job_ended", 0.0)
    assert [line["event"] for line in lines(tmp_path)] == ["node_ran", "node_ran", "job_ended"]
    assert lines(tmp_path)[-1]["lines_left_out"] == 3


def test_old_reports_are_deleted_and_other_files_stay(tmp_path: Path) -> None:
    for day in range(1, 6):
        (tmp_path / f"2024020{day}T000000Z-x.jsonl").touch()
    (tmp_path / "notes.jsonl").touch()
    prune(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "20240204T000000Z-x.jsonl",
        "20240205T000000Z-x.jsonl",
        "notes.jsonl",
    ]


@pytest.mark.parametrize("job_id", ["../../etc/passwd", "a" * 4000, "\ud800", "con:fig", "."])
def test_a_hostile_job_id_stays_inside_the_folder(report: RunReport, tmp_path: Path, job_id: str) -> None:
    job = FakeJob(id=job_id)
    report.before_job(job)
    report.after_job(job, 0.0)
    (path,) = tmp_path.rglob("*")
    assert path.parent == tmp_path
    assert lines(tmp_path)[0]["job"] == job_id


def test_a_job_that_runs_again_gets_a_second_report(report: RunReport, tmp_path: Path) -> None:
    for _ in range(2):
        report.before_job(JOB)
        report.after_job(JOB, 1.0)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "20240229T120000Z-job-1-2.jsonl",
        "20240229T120000Z-job-1.jsonl",
    ]


def test_jobs_whose_end_is_never_told_are_closed(report: RunReport, tmp_path: Path) -> None:
    for number in range(70):
        report.before_job(FakeJob(id=f"job-{number}"))
    assert lines(tmp_path, "*-job-0.jsonl")[-1]["event"] == "job_abandoned"
    assert lines(tmp_path, "*-job-69.jsonl")[-1]["event"] == "job_started"
    for number in range(70):
        report.after_job(FakeJob(id=f"job-{number}"), 1.0)


def test_needed_nodes_are_those_an_output_leads_back_to() -> None:
    assert needed_by(PROMPT, ["b", "gone"]) == {"a", "b"}
    assert needed_by({"x": {"inputs": {"v": ["x", 0]}}}, ["x"]) == {"x"}


def test_without_a_folder_the_pack_takes_part_in_nothing() -> None:
    with load_pack(PACK) as pack:
        assert pack.hooks == frozenset()
    assert isinstance(from_environment({"RUN_REPORT_DIR": "  "}), Inert)


def test_the_variable_is_read_when_the_pack_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUN_REPORT_DIR", str(tmp_path / "new"))
    with load_pack(PACK) as pack:
        pack.call("before_job", job=JOB)
        pack.call("before_node", job=JOB, node_id="b", node=double)
        pack.call("after_node", job=JOB, node_id="b", node=double, result=NodeResult(), seconds=0.1)
        pack.call("after_job", job=JOB, seconds=0.2)
        assert pack.hooks == {
            *("before_job", "after_job", "before_node", "after_node", "on_node_error"),
            *("before_model_load", "after_model_evicted", "register_routes", "register_commands"),
        }
    assert [line["event"] for line in lines(tmp_path / "new")] == ["job_started", "node_ran", "job_ended"]


@pytest.mark.parametrize("keep", ["0", "-1", "many"])
def test_an_unusable_number_of_reports_is_refused(keep: str) -> None:
    with pytest.raises(ValueError, match="no whole number above zero"):
        from_environment({"RUN_REPORT_DIR": "x", "RUN_REPORT_KEEP": keep})


def test_the_newest_report_can_be_asked_for_and_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = RunReport(tmp_path)
    (route,), (command,) = report.register_routes(), report.register_commands()
    assert (route.path, command.name) == ("/run-report", "run-report")
    request: Any = None
    assert route.handler(request).status == 404
    command.function()
    assert capsys.readouterr().out.startswith("There is no report")
    report.before_job(JOB)
    report.after_job(JOB, 0.5)
    assert b'"job_ended"' in route.handler(request).body
    command.function()
    assert capsys.readouterr().out.count("\n") == 2
