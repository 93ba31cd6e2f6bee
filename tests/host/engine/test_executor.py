"""What a run does with nodes; the order and wording of messages is checked against reference data in tests/goldens."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest

from host.engine.caching.cache import LruCache, NoCache, Stored
from host.engine.caching.memory import MemoryCache
from host.engine.cancellation import Cancellation
from host.engine.events import JobInterrupted, JobStarted, JobSucceeded, NodeBlocked, NodeFailed, NodeProgress, NodeText
from host.engine.executor import Executor
from host.engine.outcome import RunState
from host.engine.services import NoServices
from sdk.current_call import NodeCall, current_call
from sdk.markers import Hidden
from sdk.nodes import Blocker, Determinism, Input, NodeResult, NodeType, Output
from tests.support.engine import LISTED, Bench, PlainJob, Recorder, make_node

TOTAL = make_node("Total", lambda v: sum(v), {"v": "INT"}, takes_lists=True)
BLOCK = make_node("Block", lambda message: Blocker(message), {"message": "*"})


def lazy_switch(asks: Callable[[dict[str, Any]], list[str]]) -> NodeType:
    inputs = [
        Input(name="pick", type="INT"),
        Input(name="a", type="INT", options={"lazy": True}),
        Input(name="b", type="INT", options={"lazy": True}),
    ]

    def run(pick: int, a: Any, b: Any) -> Any:
        return a if pick == 0 else b

    return make_node("Switch", run, inputs, lazy=lambda state, given: asks(given))


SWITCH = lazy_switch(lambda given: ["ab"[given["pick"]]] if given["ab"[given["pick"]]] is None else [])


# -- results and the cache


def test_a_second_run_takes_everything_from_the_cache() -> None:
    bench = Bench()
    prompt = {
        "1": ("Number", {"value": 2}),
        "2": ("Add", {"a": ["1", 0], "b": ["1", 0]}),
        "3": ("Show", {"v": ["2", 0]}),
    }
    assert bench.shown(prompt) == {"3": ["4"]}
    assert bench.seen.started == ["1", "2", "3"]
    assert bench.shown(prompt) == {"3": ["4"]}
    assert bench.seen.started == []
    assert bench.seen.cached == ["1", "2", "3"]


@pytest.mark.parametrize("cache", [NoCache(), LruCache(1), MemoryCache(1), MemoryCache(600)])
def test_a_cache_that_forgets_costs_time_and_nothing_else(cache: Any) -> None:
    bench = Bench(cache=cache)
    links = {str(i): ("Add", {"a": [str(i - 1), 0], "b": [str(max(0, i - 2)), 0]}) for i in range(1, 12)}
    prompt = {"0": ("Number", {"value": 1}), **links, "out": ("Show", {"v": ["11", 0]})}
    assert [bench.shown(prompt) for _ in range(3)] == [{"out": ["233"]}] * 3


class Fickle(LruCache):
    """Says that it has everything it ever had, and gives nothing."""

    def get(self, key: bytes) -> Stored | None:
        return None


def test_a_node_runs_again_when_the_cache_does_not_keep_its_word() -> None:
    bench = Bench(cache=Fickle(100))
    prompt = {
        "1": ("Number", {"value": 2}),
        "2": ("Add", {"a": ["1", 0], "b": ["1", 0]}),
        "3": ("Show", {"v": ["2", 0]}),
    }
    assert bench.shown(prompt) == {"3": ["4"]}
    assert bench.shown(prompt) == {"3": ["4"]}
    assert bench.seen.started == ["1", "2", "3"]


class Heavy:
    """Something whose end can be seen."""


def test_a_result_is_dropped_after_its_last_reader() -> None:
    alive: list[weakref.ref[Heavy]] = []
    counts: list[int] = []

    def make() -> Heavy:
        heavy = Heavy()
        alive.append(weakref.ref(heavy))
        return heavy

    def count(v: Any) -> int:
        gc.collect()
        counts.append(sum(ref() is not None for ref in alive))
        return 1

    bench = Bench(
        make_node("Make", make),
        make_node("Use", lambda v: 0, {"v": "*"}),
        make_node("Count", count, {"v": "*"}),
        cache=NoCache(),
    )
    bench.shown(
        {
            "1": ("Make", {}),
            "2": ("Use", {"v": ["1", 0]}),
            "3": ("Count", {"v": ["2", 0]}),
            "4": ("Show", {"v": ["3", 0]}),
        }
    )
    assert counts == [0]


def test_equal_nodes_run_once_unless_their_place_matters() -> None:
    ran: list[int] = []
    own = make_node("Own", lambda v: ran.append(v) or v, {"v": "INT"}, determinism=Determinism.PER_NODE)
    bench = Bench(own)
    graph = {"3": ("Add", {"a": ["1", 0], "b": ["2", 0]}), "4": ("Show", {"v": ["3", 0]})}
    bench.shown({"1": ("Number", {"value": 1}), "2": ("Number", {"value": 1}), **graph})
    assert bench.seen.started == ["2", "3", "4"]
    bench.shown({"1": ("Own", {"v": 1}), "2": ("Own", {"v": 1}), **graph})
    assert ran == [1, 1]


def test_a_state_lives_while_its_node_stays_in_the_prompt() -> None:
    counter = NodeType(
        id="Counter",
        create=lambda: [0],
        run=lambda state, inputs, context: NodeResult(outputs=(state.append(1) or len(state) - 1,)),
        inputs=(Input(name="v", type="INT"),),
        outputs=(Output(type="INT", name="INT"),),
        pack="test",
    )
    bench = Bench(counter)

    def count(node_id: str, value: int) -> dict[str, Any]:
        return bench.shown({node_id: ("Counter", {"v": value}), "o": ("Show", {"v": [node_id, 0]})})["o"]

    assert [count("1", 1), count("1", 2), count("7", 3), count("1", 4)] == [["1"], ["2"], ["1"], ["1"]]


# -- lists and blockers


def test_shorter_lists_repeat_their_last_item() -> None:
    bench = Bench(LISTED)
    prompt = {
        "1": ("Listed", {"n": 4}),
        "2": ("Listed", {"n": 2}),
        "3": ("Add", {"a": ["1", 0], "b": ["2", 0]}),
        "4": ("Show", {"v": ["3", 0]}),
    }
    assert bench.shown(prompt) == {"4": ["0", "2", "3", "4"]}


def test_a_node_that_takes_lists_is_called_once_with_everything() -> None:
    bench = Bench(LISTED, TOTAL)
    prompt = {"1": ("Listed", {"n": 5}), "2": ("Total", {"v": ["1", 0]}), "3": ("Show", {"v": ["2", 0]})}
    assert bench.shown(prompt) == {"3": ["10"]}


def test_an_empty_list_beside_a_value_is_an_error_that_names_the_input() -> None:
    outcome = Bench(LISTED).run(
        {"1": ("Listed", {"n": 0}), "2": ("Add", {"a": 1, "b": ["1", 0]}), "3": ("Show", {"v": ["2", 0]})}
    )
    assert outcome.failure is not None
    assert "input 'b' got an empty list" in outcome.failure.message


def test_a_blocker_skips_what_follows_and_speaks_once() -> None:
    bench = Bench(BLOCK)
    outcome = bench.run(
        {
            "1": ("Block", {"message": "not today"}),
            "2": ("Add", {"a": ["1", 0], "b": 1}),
            "3": ("Show", {"v": ["2", 0]}),
            "4": ("Show", {"v": 5}),
        }
    )
    assert outcome.state is RunState.SUCCEEDED
    assert list(outcome.ui) == ["4"]
    assert [(event.node.node_id, event.message, list(event.executed)) for event in bench.seen.of(NodeBlocked)] == [
        ("2", "not today", ["4", "1"])
    ]


# -- lazy inputs


def test_only_the_lazy_input_asked_for_is_computed() -> None:
    bench = Bench(SWITCH, make_node("Fail", lambda: 1 / 0))
    prompt = {
        "a": ("Number", {"value": 7}),
        "b": ("Fail", {}),
        "s": ("Switch", {"pick": 0, "a": ["a", 0], "b": ["b", 0]}),
        "o": ("Show", {"v": ["s", 0]}),
    }
    assert bench.shown(prompt) == {"o": ["7"]}
    assert bench.seen.started == ["s", "a", "s", "o"]


def test_a_node_that_shares_a_lazy_source_still_finds_its_result() -> None:
    bench = Bench(SWITCH, cache=NoCache())
    prompt = {
        "x": ("Number", {"value": 1}),
        "a": ("Add", {"a": ["x", 0], "b": 1}),
        "p": ("Add", {"a": ["x", 0], "b": -1}),
        "s": ("Switch", {"pick": ["p", 0], "a": ["a", 0], "b": 0}),
        "o": ("Show", {"v": ["s", 0]}),
    }
    assert bench.shown(prompt) == {"o": ["2"]}
    assert bench.seen.started.count("x") == 1


def test_asking_for_names_that_are_no_lazy_links_is_harmless() -> None:
    bench = Bench(lazy_switch(lambda given: ["pick", "nobody", 5]))  # type: ignore[list-item]
    prompt = {"s": ("Switch", {"pick": 0, "a": 3, "b": 4}), "o": ("Show", {"v": ["s", 0]})}
    assert bench.shown(prompt) == {"o": ["3"]}


def test_an_asynchronous_wish_is_waited_for() -> None:
    async def ask(state: Any, given: Mapping[str, Any]) -> list[str]:
        return ["a"]

    inputs = [Input(name="a", type="INT", options={"lazy": True})]
    bench = Bench(make_node("Later", lambda a: a, inputs, lazy=ask))
    prompt = {"1": ("Number", {"value": 3}), "2": ("Later", {"a": ["1", 0]}), "3": ("Show", {"v": ["2", 0]})}
    assert bench.shown(prompt) == {"3": ["3"]}


# -- inputs


def test_inputs_come_in_the_order_of_the_prompt_and_raw_links_as_they_are() -> None:
    inputs = [*(Input(name=name, type="*") for name in "abc"), Input(name="raw", type="*", options={"rawLink": True})]
    node = make_node("Order", lambda **given: repr(given), inputs)
    prompt = {
        "1": ("Number", {"value": 1}),
        "2": ("Order", {"c": 3, "a": ["1", 0], "raw": ["1", 0], "b": 2, "odd": 1}),
        "3": ("Show", {"v": ["2", 0]}),
    }
    assert Bench(node).shown(prompt) == {"3": ["{'c': 3, 'a': 1, 'raw': ['1', 0], 'b': 2}"]}


def test_hidden_inputs_are_filled_in_and_never_shown_in_errors() -> None:
    hidden = {kind.name.lower(): kind for kind in Hidden} | {"other": "SOMETHING_ELSE"}
    seen: dict[str, Any] = {}

    def work(v: int, **given: Any) -> int:
        seen.update(given)
        raise ValueError

    extra = {"extra_pnginfo": {"workflow": 1}, "auth_token_comfy_org": "secret", "api_key_comfy_org": "key"}
    bench = Bench(make_node("Hides", work, {"v": "INT"}, hidden=hidden))
    outcome = bench.run({"h": ("Hides", {"v": 1}), "o": ("Show", {"v": ["h", 0]})}, extra=extra)
    assert seen["unique_id"] == "h"
    assert seen["extra_pnginfo"] == {"workflow": 1}
    assert (seen["auth_token"], seen["api_key"], seen["other"]) == ("secret", "key", None)
    assert sorted(seen["prompt"]) == ["h", "o"]
    assert seen["dynprompt"].has_node("h")
    assert outcome.failure is not None
    assert outcome.failure.inputs == {"v": [1]}


def test_an_output_that_a_node_did_not_give_is_none() -> None:
    short = make_node("Short", lambda: NodeResult(outputs=(1,)), outputs=("INT", "INT"))
    assert Bench(short).shown({"1": ("Short", {}), "2": ("Show", {"v": ["1", 1]})}) == {"2": ["None"]}


# -- ends


class PackError(RuntimeError):
    pass


def test_a_failure_names_node_class_error_and_inputs_and_keeps_what_ran() -> None:
    def work(v: int, big: Any) -> int:
        raise PackError(f"bad {v}")

    bench = Bench(make_node("Bad", work, {"v": "INT", "big": "*"}), make_node("Long", lambda: "x" * 100_000))
    prompt = {
        "1": ("Number", {"value": 1}),
        "2": ("Long", {}),
        "3": ("Bad", {"v": ["1", 0], "big": ["2", 0]}),
        "4": ("Show", {"v": ["3", 0]}),
        "5": ("Show", {"v": ["1", 0]}),
    }
    outcome = bench.run(prompt)
    failure = outcome.failure
    assert outcome.state is RunState.FAILED
    assert failure is not None
    assert bench.seen.of(NodeFailed) == [failure]
    assert (failure.node.node_id, failure.node_type, failure.message) == ("3", "Bad", "bad 1")
    assert failure.error_type == f"{__name__}.PackError"
    assert sorted(failure.executed) == ["1", "2", "5"]
    assert failure.inputs is not None
    assert failure.inputs["v"] == [1]
    assert len(failure.inputs["big"][0]) < 3_000
    assert any("work" in frame for frame in failure.traceback)
    assert not bench.seen.of(JobSucceeded)
    assert list(outcome.ui) == ["5"]


@pytest.mark.parametrize("error", [SystemExit(3), RecursionError(), MemoryError()])
def test_a_node_can_not_end_the_program(error: BaseException) -> None:
    def work() -> int:
        raise error

    outcome = Bench(make_node("Exits", work, output_node=True)).run({"1": ("Exits", {})})
    assert outcome.state is RunState.FAILED


def test_ctrl_c_is_passed_on() -> None:
    def work() -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Bench(make_node("Stop", work, output_node=True)).run({"1": ("Stop", {})})


def test_a_return_value_of_another_kind_is_the_nodes_error() -> None:
    odd = NodeType(id="Odd", run=lambda state, inputs, context: (1,), output_node=True, pack="test")  # type: ignore[arg-type]
    failure = Bench(odd).run({"1": ("Odd", {})}).failure
    assert failure is not None
    assert failure.error_type == "TypeError"
    assert "returned a tuple" in failure.message


def stepping(steps: int, done: list[int]) -> NodeType:
    def run(state: Any, inputs: dict[str, Any], context: Any) -> NodeResult:
        for step in range(steps):
            done.append(step)
            context.progress(step + 1, steps)
        return NodeResult()

    return NodeType(id="Steps", run=run, output_node=True, pack="test")


def test_cancelling_stops_a_node_at_its_next_step() -> None:
    done: list[int] = []
    bench = Bench(stepping(10, done))
    bench.seen.react = lambda event: bench.cancel.cancel() if isinstance(event, NodeProgress) else None  # type: ignore[assignment]
    outcome = bench.run({"1": ("Steps", {}), "2": ("Show", {"v": 1})})
    assert outcome.state is RunState.CANCELLED
    assert done == [0, 1]
    assert [(event.node.node_id, event.node_type) for event in bench.seen.of(JobInterrupted)] == [("1", "Steps")]


def test_cancelling_stops_between_nodes() -> None:
    bench = Bench(make_node("Cancel", lambda: bench.cancel.cancel(), output_node=True))
    outcome = bench.run({"1": ("Cancel", {}), "2": ("Show", {"v": 1}), "3": ("Show", {"v": 2})})
    assert outcome.state is RunState.CANCELLED
    assert outcome.executed == 1


def test_steps_that_follow_fast_are_not_all_reported_but_the_first_and_the_last_are() -> None:
    ticks = iter(range(100_000))
    bench = Bench(stepping(1_000, []), timer=lambda: next(ticks) * 0.001)
    bench.run({"1": ("Steps", {})})
    steps = [event.value for event in bench.seen.of(NodeProgress)]
    assert steps[0] == 1
    assert steps[-1] == 1_000
    assert 10 < len(steps) < 30


def test_text_of_a_node_is_an_event() -> None:
    def run(state: Any, inputs: dict[str, Any], context: Any) -> NodeResult:
        context.text(f"hello from {context.node_id} in {context.prompt_id}")
        return NodeResult()

    bench = Bench(NodeType(id="Says", run=run, output_node=True, pack="test"))
    bench.run({"1": ("Says", {})})
    assert [event.text for event in bench.seen.of(NodeText)] == ["hello from 1 in job"]


def test_a_node_that_needs_models_in_a_host_without_any_says_so() -> None:
    def run(state: Any, inputs: dict[str, Any], context: Any) -> NodeResult:
        return NodeResult(outputs=(context.models.borrow(),))

    failure = Bench(NodeType(id="Needs", run=run, output_node=True, pack="test")).run({"1": ("Needs", {})}).failure
    assert failure is not None
    assert "no models" in failure.message


# -- scale


def test_a_chain_of_20_000_nodes_runs_and_runs_again_from_the_cache() -> None:
    bench = Bench(cache=MemoryCache(2**30))
    links = {str(i): ("Add", {"a": [str(i - 1), 0], "b": 1}) for i in range(1, 20_000)}
    prompt = {"0": ("Number", {"value": 1}), **links, "out": ("Show", {"v": ["19999", 0]})}
    assert bench.shown(prompt) == {"out": ["20000"]}
    reads = bench.executor.cache.counters()
    prompt["19999"] = ("Add", {"a": ["19998", 0], "b": 5})
    assert bench.shown(prompt) == {"out": ["20004"]}
    after = bench.executor.cache.counters()
    assert bench.seen.started == ["19999", "out"]
    assert after.hits + after.misses - reads.hits - reads.misses < 10


def test_the_executor_is_used_again_after_a_failure() -> None:
    bench = Bench(make_node("Fail", lambda fail: 1 / (1 - fail), {"fail": "INT"}))
    graph = {"2": ("Show", {"v": ["1", 0]})}
    assert bench.run({"1": ("Fail", {"fail": 1}), **graph}).state is RunState.FAILED
    assert bench.shown({"1": ("Fail", {"fail": 0}), **graph}) == {"2": ["1.0"]}


def test_events_begin_with_the_start_and_bear_the_given_clock() -> None:
    bench = Bench(clock=lambda: 12.5)
    bench.run({"1": ("Show", {"v": 1})})
    assert bench.seen.events[0] == JobStarted("job", 12_500)
    assert bench.seen.events[-1] == JobSucceeded("job", 12_500)


def test_the_default_services_need_nothing() -> None:
    assert isinstance(Executor(NoCache()), Executor)
    assert Recorder().events == []


# -- what deep code and packs are told


@pytest.mark.parametrize("kind", ["plain", "thread", "async"])
def test_code_below_a_node_can_tell_which_node_of_which_job_it_works_for(kind: str) -> None:
    async def later(x: int) -> NodeResult:
        await asyncio.sleep(0)
        return NodeResult(outputs=(note(x),))

    def note(x: int) -> int:
        seen.append(current_call.get())
        return x

    seen: list[NodeCall] = []
    node = make_node("Deep", later if kind == "async" else note, {"x": "INT"}, thread_safe=kind == "thread")
    Bench(node).shown({"7": ("Deep", {"x": 1}), "9": ("Show", {"v": ["7", 0]})})
    assert seen == [NodeCall("job", "7")]
    assert current_call.get() == NodeCall()


def test_a_node_is_told_what_the_settings_say_to_its_pack() -> None:
    class Services(NoServices):
        pack_settings: ClassVar = {"test": {"url": "http://x"}, "other": {"url": "no"}}

    seen: list[Any] = []

    def run(state: Any, inputs: dict[str, Any], context: Any) -> NodeResult:
        seen.append(context.settings)
        return NodeResult(outputs=(1,))

    for pack in ("test", "stranger"):
        outputs = (Output(type="INT", name="INT"),)
        node = NodeType(id="Asks", run=run, outputs=outputs, pack=pack, output_node=True)
        bench = Bench(node)
        Executor(NoCache(), services=Services()).run(
            PlainJob(), bench.validate({"1": ("Asks", {})}), Recorder(), Cancellation()
        )
    assert seen == [{"url": "http://x"}, {}]
