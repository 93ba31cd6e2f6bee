from __future__ import annotations

from host.api import job_views
from host.engine.jobs.records import Job, JobOutcome, JobState

SAVED = {"filename": "a.png", "subfolder": "", "type": "output"}
PASSING = {"filename": "b.png", "subfolder": "", "type": "temp"}


def ended(state: JobState, **outcome: object) -> Job:
    return Job(id="j", prompt={}).start(1.0).end(JobOutcome(state=state, **outcome), 2.5)  # type: ignore[arg-type]


def test_a_job_is_shown_by_the_file_it_saved_rather_than_one_that_passes() -> None:
    job = ended(JobState.SUCCEEDED, results={"1": {"images": [SAVED]}, "2": {"images": [PASSING], "text": ["x"]}})
    shown = job_views.summary(job)
    assert shown["preview_output"] == {**SAVED, "nodeId": "1", "mediaType": "images"}
    assert shown["outputs_count"] == 3
    assert (shown["execution_start_time"], shown["execution_end_time"]) == (1000, 2500)


def test_a_job_that_failed_says_what_went_wrong() -> None:
    said = {"node_id": "1", "exception_message": "boom\n"}
    assert job_views.summary(ended(JobState.FAILED, messages=[("execution_error", said)]))["execution_error"] == said
    lost = job_views.summary(ended(JobState.INTERRUPTED, error="The host ended."))
    assert (lost["status"], lost["execution_error"]["exception_message"]) == ("failed", "The host ended.")


def test_a_job_that_was_cancelled_before_it_ran_has_neither_times_nor_an_error() -> None:
    shown = job_views.summary(Job(id="j", prompt={}).withdraw(3.0))
    assert (shown["status"], shown["execution_end_time"], shown["execution_error"]) == ("cancelled", None, None)


def test_strange_outputs_do_no_harm() -> None:
    job = ended(JobState.SUCCEEDED, results={"1": None, "2": {"images": ["x", {}], "n": 3}})
    assert job_views.details(job)["preview_output"] is None
