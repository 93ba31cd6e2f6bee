"""Reading requests to run a prompt."""

from __future__ import annotations

import json

import pytest

from host.engine.jobs.submission import BadSubmission, Submission, read_submission


def test_everything_beside_the_prompt_is_optional_and_unknown_keys_are_ignored() -> None:
    assert read_submission(b'{"prompt": {}, "novelty": 1}') == Submission(prompt={})


def test_all_that_clients_may_say_is_read() -> None:
    said = {
        "prompt": {"1": {}},
        "prompt_id": "p",
        "client_id": "c",
        "number": "2.5",
        "front": True,
        "partial_execution_targets": ["1"],
        "extra_data": {"extra_pnginfo": {}},
    }
    read = read_submission(json.dumps(said))
    assert read.number == 2.5
    assert read.front
    assert read.targets == ("1",)
    assert (read.prompt_id, read.client_id, read.extra_data) == ("p", "c", {"extra_pnginfo": {}})


def test_no_targets_are_something_else_than_none_given() -> None:
    assert read_submission('{"prompt": {}, "partial_execution_targets": []}').targets == ()


@pytest.mark.parametrize("body", ["null", "[1]", '"x"', "3", "{}", '{"client_id": "x"}'])
def test_a_body_without_a_prompt_is_told_so(body: str) -> None:
    with pytest.raises(BadSubmission) as caught:
        read_submission(body)
    assert caught.value.answer["error"]["type"] == "no_prompt"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{not json",
        b"\xff\xfe\x00",
        "[" * 100_000,
        '{"prompt": {}, "number": "abc"}',
        '{"prompt": {}, "number": NaN}',
        '{"prompt": {}, "number": [1]}',
        '{"prompt": {}, "prompt_id": 5}',
        '{"prompt": {}, "extra_data": []}',
        '{"prompt": {}, "partial_execution_targets": "9"}',
    ],
)
def test_an_unreadable_body_is_an_answer_and_not_a_crash(body: str | bytes) -> None:
    with pytest.raises(BadSubmission) as caught:
        read_submission(body)
    assert caught.value.answer["error"]["type"] == "invalid_prompt"
    assert str(caught.value)
