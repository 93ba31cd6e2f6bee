"""Which states a job may be in, one after the other."""

from __future__ import annotations

import itertools

import pytest

from host.engine.cancellation import Cancellation
from host.engine.jobs.errors import IllegalTransition, InvalidJob
from host.engine.jobs.records import Job, JobOutcome, JobState, may_follow, without_secrets
from sdk.errors import Cancelled

QUEUED = Job(id="a", prompt={"1": {"class_type": "X", "inputs": {}}}, number=3, outputs=("1",), created=10.0)
RUNNING = QUEUED.start(11.0)
SUCCESS = JobOutcome(state=JobState.SUCCEEDED, results={"1": {"text": ["hey"]}})


def test_a_job_runs_once_and_keeps_what_it_gave() -> None:
    ended = RUNNING.end(SUCCESS, 15.5)
    assert (ended.state, ended.started, ended.ended, ended.seconds) == (JobState.SUCCEEDED, 11.0, 15.5, 4.5)
    assert (ended.attempts, ended.outcome) == (1, SUCCESS)
    assert QUEUED.state is JobState.QUEUED


def test_only_the_drawn_transitions_are_allowed() -> None:
    allowed = {(a.value, b.value) for a, b in itertools.product(JobState, JobState) if may_follow(a, b)}
    assert allowed == {
        ("queued", "running"),
        ("queued", "cancelled"),
        ("running", "succeeded"),
        ("running", "failed"),
        ("running", "cancelled"),
        ("running", "interrupted"),
        ("interrupted", "queued"),
    }


def test_an_illegal_transition_names_the_job_and_both_states() -> None:
    ended = RUNNING.end(SUCCESS, 15.5)
    with pytest.raises(IllegalTransition, match="job 'a' is succeeded and can't become running") as caught:
        ended.start(16.0)
    assert (caught.value.job_id, caught.value.state, caught.value.following) == ("a", "succeeded", "running")


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.SUCCEEDED, JobState.CANCELLED])
def test_final_states_are_final(state: JobState) -> None:
    with pytest.raises(IllegalTransition):
        RUNNING.end(JobOutcome(state=state), 12.0).requeue()


def test_an_interrupted_job_queues_again_at_its_old_place() -> None:
    again = RUNNING.end(JobOutcome(state=JobState.INTERRUPTED), 12.0).requeue()
    assert again == Job(**{**vars(QUEUED), "attempts": 1})


def test_a_running_job_is_not_withdrawn() -> None:
    assert QUEUED.withdraw(12.0).state is JobState.CANCELLED
    with pytest.raises(IllegalTransition):
        RUNNING.withdraw(12.0)


@pytest.mark.parametrize("state", [JobState.QUEUED, JobState.RUNNING])
def test_an_outcome_is_an_end(state: JobState) -> None:
    with pytest.raises(InvalidJob, match=state.value):
        JobOutcome(state=state)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 10**400])
def test_a_number_without_an_order_is_refused(number: float) -> None:
    with pytest.raises(InvalidJob, match="finite"):
        Job(id="a", prompt={}, number=number)


def test_names_that_no_database_takes_are_refused() -> None:
    with pytest.raises(InvalidJob, match="empty"):
        Job(id="", prompt={})
    with pytest.raises(InvalidJob, match="client_id"):
        Job(id="a", prompt={}, client_id="\ud800")


def test_the_queue_item_has_five_values_and_no_credentials() -> None:
    job = Job(id="a", prompt={}, number=1.5, extra_data={"client_id": "c", "api_key_comfy_org": "s"}, outputs=("9",))
    assert job.queue_item() == (1.5, "a", {}, {"client_id": "c"}, ["9"])
    assert without_secrets({"auth_token_comfy_org": "s", "x": 1}) == {"x": 1}


def test_a_cancelled_token_stays_cancelled_for_its_first_reason() -> None:
    token = Cancellation()
    token.raise_if_cancelled()
    assert (token.cancelled, token.reason) == (False, None)
    assert token.cancel("not wanted")
    assert not token.cancel("too late")
    assert token.cancelled
    with pytest.raises(Cancelled, match="not wanted"):
        token.raise_if_cancelled()
