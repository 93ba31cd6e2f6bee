"""What clients are told; full transcripts are checked against reference data in tests/goldens."""

from __future__ import annotations

from typing import Any

from host.engine.events import (
    JobEnded,
    JobInterrupted,
    JobStarted,
    NodeFailed,
    NodeFinished,
    NodeProgress,
    NodeRef,
    NodeStarted,
    NodeText,
)
from host.engine.messages import Messages, status

REF = NodeRef("5.x", "5", "5", "5")
OTHER = NodeRef("6", "6", None, "6")


def types(messages: Any) -> list[str]:
    return [message.type for message in messages]


def test_progress_names_the_node_that_changed_alone_unless_all_are_wanted() -> None:
    for full, expected in ((False, ["6"]), (True, ["5.x", "6"])):
        translate = Messages("client", full_state=full)
        translate.of(NodeStarted("job", REF))
        state, executing = translate.of(NodeStarted("job", OTHER))
        assert list(state.data["nodes"]) == expected
        assert executing.data == {"node": "6", "display_node": "6", "prompt_id": "job"}


def test_a_finished_node_keeps_the_total_of_its_steps() -> None:
    translate = Messages("client")
    translate.of(NodeStarted("job", REF))
    translate.of(NodeProgress("job", REF, 3, 20))
    (state,) = translate.of(NodeFinished("job", REF))
    entry = state.data["nodes"]["5.x"]
    assert (entry["value"], entry["max"], entry["state"]) == (20, 20, "finished")
    assert (entry["display_node_id"], entry["parent_node_id"], entry["real_node_id"]) == ("5", "5", "5")


def test_without_a_client_only_progress_goes_out_but_history_is_complete() -> None:
    translate = Messages(None)
    assert translate.delivered(JobStarted("job", 1)) == []
    assert types(translate.delivered(NodeProgress("job", REF, 1, 2))) == ["progress_state", "progress"]
    assert [message.recorded for message in translate.of(JobStarted("job", 1))] == [True]


def test_a_failure_names_the_node_of_the_prompt() -> None:
    failed = NodeFailed("job", REF, "Grow", ("1",), "boom", "ValueError", ("frame",), {"v": [1]}, ("1", "5"), 7)
    (message,) = Messages("client").of(failed)
    assert message.data["node_id"] == "5"
    assert message.data["exception_message"] == "boom\n"
    assert message.data["current_inputs"] == {"v": [1]}
    assert message.recorded


def test_an_interruption_is_recorded_and_the_end_is_not() -> None:
    translate = Messages("client")
    (message,) = translate.of(JobInterrupted("job", REF, "Grow", (), 1))
    assert (message.type, message.recorded) == ("execution_interrupted", True)
    (last,) = translate.of(JobEnded("job"))
    assert last.as_json() == {"type": "executing", "data": {"node": None, "prompt_id": "job"}}
    assert not last.recorded


def test_what_is_no_json_makes_no_message() -> None:
    assert Messages("client").of(NodeText("job", REF, "hello")) == []


def test_status_tells_a_new_client_who_it_is() -> None:
    assert status(3).data == {"status": {"exec_info": {"queue_remaining": 3}}}
    assert status(0, "me").data["sid"] == "me"
