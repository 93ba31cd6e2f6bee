"""The nodes against an endpoint on this machine: what is sent, retried, shown and refused."""

from __future__ import annotations

import httpx
import pytest
from chat_server import ChatServer
from prompt_enhancer.chat import ATTEMPTS, ChatFailed, Request, ask
from prompt_enhancer.nodes import enhance_prompt, prompt_variations
from prompt_enhancer.settings import BadSettings, Settings, read_settings

from sdk import Cancelled, NodeError
from sdk.testing import FakeContext, run_node

BUSY = (503, {"Retry-After": "0.01"}, {"error": {"message": "busy"}})


def request(**fields: object) -> Request:
    return Request(**{"instructions": "i", "text": "t", "model": "m", "temperature": 0.5, "seed": 2**40, **fields})


def test_a_prompt_is_rewritten_and_its_cost_shown(server: ChatServer) -> None:
    context = FakeContext()
    result = run_node(enhance_prompt, context, text="a cat", temperature=0.2, seed=5)
    assert result.outputs == ("a cat, beautifully lit 0", pytest.approx((40 * 1.0 + 10 * 2.0) / 1e6))
    assert context.texts == ["praise-1: 40 tokens read, 10 written, $0.000060"]
    assert result.ui == {"text": [result.outputs[0], context.texts[0]]}
    (sent,) = server.requests
    assert sent["messages"][1] == {"role": "user", "content": "a cat"}
    assert (sent["model"], sent["temperature"], sent["seed"], sent["n"]) == ("praise-1", 0.2, 5, 1)
    assert server.keys == ["Bearer a-key"]


def test_variations_are_a_list(server: ChatServer) -> None:
    prompts, cost = run_node(prompt_variations, text="a cat", count=3, model="other").outputs
    assert prompts == [f"a cat, beautifully lit {number}" for number in range(3)]
    assert cost > 0
    assert server.requests[0]["model"] == "other"


def test_a_busy_server_is_asked_again_after_the_pause_it_wants(server: ChatServer) -> None:
    server.script = [BUSY, (429, {}, b"slow down")]
    pauses: list[float] = []
    answer = ask(Settings(server.address), request(), pauses.append)
    assert answer.texts == ("t, beautifully lit 0",)
    assert pauses == [0.01, 1.0]
    assert server.requests[0]["seed"] == 2**40 % 2**31


def test_a_server_that_stays_busy_is_given_up_with_its_words(server: ChatServer) -> None:
    server.script = [BUSY] * ATTEMPTS
    with pytest.raises(NodeError, match="did not answer in 4 attempts; the last one gave: 503: busy"):
        run_node(enhance_prompt)


def test_a_refusal_is_not_repeated(server: ChatServer) -> None:
    server.script = [(401, {}, {"error": {"message": "wrong key"}})]
    with pytest.raises(NodeError, match=r"refuses the request \(401: wrong key\)"):
        run_node(enhance_prompt)
    assert len(server.requests) == 1


@pytest.mark.parametrize("body", [b"<html>", {"choices": []}, {"choices": [{"message": {"content": " "}}]}, []])
def test_another_form_of_answer_is_an_error(body: object, server: ChatServer) -> None:
    server.script = [(200, {}, body)]
    with pytest.raises(NodeError, match="has another form than the OpenAI format"):
        run_node(enhance_prompt)


def test_nobody_there_is_said_after_all_attempts() -> None:
    pauses: list[float] = []
    with pytest.raises(ChatFailed, match="did not answer in 4 attempts"):
        ask(Settings("http://127.0.0.1:9/v1"), request(), pauses.append)
    assert pauses == [0.5, 1.0, 2.0]


def test_a_cancelled_job_ends_between_two_attempts(server: ChatServer) -> None:
    server.script = [(503, {"Retry-After": "30"}, b"")]
    context = FakeContext()
    context.cancel.cancelled = True
    with pytest.raises(Cancelled):
        run_node(enhance_prompt, context)


def test_nothing_is_asked_without_address_or_model(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMPT_ENHANCER_MODEL")
    with pytest.raises(NodeError, match="No model is named"):
        run_node(enhance_prompt)
    monkeypatch.setenv("PROMPT_ENHANCER_URL", "ftp://x")
    with pytest.raises(NodeError, match="Set PROMPT_ENHANCER_URL to the address"):
        run_node(enhance_prompt, model="m")
    assert server.requests == []


@pytest.mark.parametrize("wrong", [{"PROMPT_ENHANCER_PRICES": "1"}, {"PROMPT_ENHANCER_TIMEOUT": "soon"}])
def test_settings_that_are_no_numbers_are_refused(wrong: dict[str, str]) -> None:
    with pytest.raises(BadSettings, match="two numbers such as"):
        read_settings({"PROMPT_ENHANCER_URL": "http://x/v1", **wrong})


def test_without_prices_no_cost_is_shown(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PROMPT_ENHANCER_PRICES")
    context = FakeContext()
    assert run_node(enhance_prompt, context).outputs[1] == 0.0
    assert "$" not in context.texts[0]


def test_a_timeout_counts_as_an_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*arguments: object, **options: object) -> None:
        raise httpx.ReadTimeout("")

    monkeypatch.setattr(httpx.Client, "post", late)
    with pytest.raises(ChatFailed, match="the last one gave: ReadTimeout"):
        ask(Settings("http://x/v1"), request(), lambda seconds: None)
