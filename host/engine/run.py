"""One run of one prompt: takes nodes from the schedule, calls them, and passes their results on."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from host.engine import calling, expansion, failures
from host.engine.caching.cache import NodeUi, Stored
from host.engine.environment import Environment
from host.engine.errors import DependencyCycle
from host.engine.events import NodeBlocked, NodeFailed, NodeFinished, NodeOutput, NodeStarted
from host.engine.graph import GraphNode, LivePrompt
from host.engine.inputs import HiddenValues, Inputs, MissingResult, gather
from host.engine.keys import Keyring
from host.engine.mapping import Outputs, checked, columns, join, join_ui
from host.engine.outcome import RunState
from host.engine.overlap import Overlap
from host.engine.results import Results
from host.engine.scheduling import Schedule
from host.engine.validation.prompt import Validated
from sdk.current_call import NodeCall, current_call
from sdk.errors import Cancelled
from sdk.nodes import NodeResult

POLL_SECONDS = 0.1
"""How often a run that waits looks whether it was cancelled."""
WORTH_A_THREAD = 0.002
"""Seconds a thread-safe node must take, on average, before it is put on a thread of its own."""


class RunStopped(Exception):
    """The run is over before its outputs are there."""

    def __init__(self, state: RunState, failure: NodeFailed | None = None) -> None:
        super().__init__(state)
        self.state, self.failure = state, failure


class _Under(NamedTuple):
    """A node under way beside the run's own thread."""

    node: GraphNode
    inputs: Inputs
    began: float
    awaited: bool


class _Expanded(NamedTuple):
    """A node that waits for the graphs it became."""

    inputs: Inputs
    results: list[NodeResult]
    seconds: float


class Run:
    """The state of one run; used by one thread.

    Attributes:
        ui: what nodes show, by node id.
        executed: ids of the nodes that ran, in order.
        cached: ids of the prompt's nodes whose results the cache held at the start.
    """

    def __init__(self, validated: Validated, world: Environment) -> None:
        self.ui: dict[str, NodeUi] = {}
        self.executed: list[str] = []
        self.cached: tuple[str, ...] = ()
        self._validated, self._world = validated, world
        self._nodes = dict(validated.nodes)
        self._live = LivePrompt(validated.prompt)
        self._hidden = HiddenValues(self._live, world.extra_data)
        self._keyring = Keyring(world.services.folders, self._hidden)
        self._results = Results(self._keyring.keys, world.cache)
        self._schedule = Schedule(self._nodes, self._results.available, self._results.expect_again)
        self._overlap = Overlap(world.workers)
        self._asked: dict[str, set[str]] = {}
        self._expanded: dict[str, _Expanded] = {}

    def prepare(self) -> tuple[str, ...]:
        """Compute the keys and what has to run; gives the nodes that are cached."""
        keys = self._keyring.add(self._nodes.values())
        cache = self._world.cache
        cache.retain([key for key in keys.values() if key is not None])
        has = cache.has
        prompt = self._live.get_original_prompt()
        self.cached = tuple([node_id for node_id in prompt if (key := keys.get(node_id)) is not None and has(key)])
        self._results.expect_readers(self._nodes)
        for node_id in self._validated.outputs:
            self._schedule.add(node_id)
        return self.cached

    def work(self) -> None:
        """Run everything. Raises RunStopped where that ends early."""
        schedule, overlap = self._schedule, self._overlap
        while len(schedule):
            node_id = schedule.pop()
            if node_id is not None:
                self._step(self._nodes[node_id])
            elif not len(overlap):
                raise self._stuck(schedule.cycle())
            if len(overlap):
                self._collect(0 if node_id is not None else POLL_SECONDS)

    def close(self) -> None:
        """Give back threads and loops; what is still under way is cancelled or waited for."""
        self._overlap.close()

    def holds(self, node_id: str, class_type: str) -> bool:
        """Whether the graph, with what expansions added, has such a node."""
        return self._live.has_node(node_id) and self._live.get_node(node_id)["class_type"] == class_type

    # -- one node

    def _step(self, node: GraphNode) -> None:
        waiting = self._expanded.get(node.id)
        if waiting is not None:
            with self._blaming(node, waiting.inputs):
                self._assemble(node, waiting)
        elif not self._take_cached(node):
            self._start(node)

    def _take_cached(self, node: GraphNode) -> bool:
        key = self._keyring.keys[node.id]
        stored = None if key is None else self._world.cache.get(key)
        if stored is None:
            return False
        self._results.hold(node.id, stored.outputs)
        shown = stored.ui
        if shown is not None:
            self.ui[node.id] = shown
        self._world.emit(NodeOutput(self._world.job_id, node.ref, shown.output if shown else None, cached=True))
        self._leave(node, cached=True)
        return True

    def _start(self, node: GraphNode) -> None:
        world = self._world
        if world.cancel.cancelled:
            raise self._interrupted(node)
        try:
            inputs = gather(node, self._results, self._asked.get(node.id, ()), self._hidden)
        except MissingResult as missing:
            self._run_again(node, missing.sources)
            return
        world.emit(NodeStarted(world.job_id, node.ref))
        with self._blaming(node, inputs):
            self._call(node, inputs)

    @contextmanager
    def _blaming(self, node: GraphNode, inputs: Inputs | None) -> Iterator[None]:
        """Make whatever is raised inside the end of the run, with this node as the cause."""
        try:
            yield
        except (RunStopped, KeyboardInterrupt):
            raise
        except Cancelled:
            raise self._interrupted(node) from None
        except BaseException as error:  # calling a node: SystemExit and asyncio's CancelledError are no Exception
            raise self._failed(node, error, inputs) from error

    def _run_again(self, node: GraphNode, sources: Sequence[str]) -> None:
        for source in sources:
            self._schedule.wait_for(node.id, source)
        self._schedule.put_back(node.id)

    def _call(self, node: GraphNode, inputs: Inputs) -> None:
        world, schema = self._world, node.schema
        state = calling.state_of(node, world.states)
        calls = inputs.calls()
        if schema.node.lazy is not None and self._ask(node, calling.wanted(node, state, calls, self._complete)):
            return
        for message in calling.messages_of(calls):
            executed = failures.Prefix(self.executed)
            world.emit(NodeBlocked(world.job_id, node.ref, node.class_type, message, executed))
        if world.observers.before_node:
            world.observers.node_starts(node.id, schema.node)
        under = _Under(node, inputs, world.timer(), awaited=False)
        if schema.thread_safe and self._worth_a_thread(node):
            self._overlap.start_thread(under, lambda: calling.call(node, state, calls, world))
        else:
            self._receive(under, calling.call(node, state, calls, world))

    def _complete(self, value: Awaitable[Any]) -> Any:
        """The result of an awaitable, waited for as long as the job is wanted."""
        return self._overlap.complete(value, POLL_SECONDS, self._world.cancel.raise_if_cancelled)

    def _ask(self, node: GraphNode, wanted: set[str]) -> bool:
        """Have the lazy inputs computed that a node asks for; True if it has to wait for them."""
        asked = self._asked.setdefault(node.id, set())
        open_names = (wanted & node.schema.lazy) - asked
        new = [(name, source) for name, source, _ in node.links if name in open_names]
        if not new:
            return False
        for name, source in new:
            asked.add(name)
            if not self._results.available(source):
                self._schedule.wait_for(node.id, source)
        self._schedule.put_back(node.id)
        return True

    def _receive(self, under: _Under, values: Sequence[Any]) -> None:
        """Take what the calls of a node gave; awaitables are awaited beside other nodes."""
        if not under.awaited and any(inspect.isawaitable(value) for value in values):
            token = current_call.set(NodeCall(self._world.job_id, under.node.id))  # tasks copy it when they are made
            self._overlap.start_async(under._replace(awaited=True), values)
            current_call.reset(token)
            return
        node, world = under.node, self._world
        seconds = world.timer() - under.began
        if node.schema.thread_safe:
            average = world.averages.get(node.class_type, seconds)
            world.averages[node.class_type] = (average + seconds) / 2
        results = [checked(value) for value in values]
        if any(result.expand is not None for result in results):
            self._expand(node, under.inputs, results, seconds)
        else:
            outputs = join([columns(result, node.schema) for result in results])
            self._show(node, results)
            self._finish(node, outputs, results, seconds)

    def _show(self, node: GraphNode, results: Sequence[NodeResult]) -> None:
        shown = join_ui(results)
        if shown:
            self.ui[node.id] = NodeUi(shown, *node.ref)
            self._world.emit(NodeOutput(self._world.job_id, node.ref, shown))

    def _finish(self, node: GraphNode, outputs: Outputs, results: Sequence[NodeResult], seconds: float) -> None:
        world = self._world
        key = self._keyring.keys[node.id]
        if key is not None:
            world.cache.put(key, Stored(outputs, self.ui.get(node.id)), seconds)
        self._results.hold(node.id, outputs)
        if world.observers.after_node:
            joined = results[0] if len(results) == 1 else NodeResult(outputs=outputs, ui=join_ui(results))
            world.observers.node_ended(node.id, node.schema.node, joined, seconds)
        self.executed.append(node.id)
        self._leave(node, cached=False)

    def _leave(self, node: GraphNode, *, cached: bool) -> None:
        self._results.release_inputs(node)
        self._schedule.complete(node.id)
        self._world.emit(NodeFinished(self._world.job_id, node.ref, cached))

    # -- expansions

    def _expand(self, node: GraphNode, inputs: Inputs, results: list[NodeResult], seconds: float) -> None:
        added = expansion.expand(node, results, self._validated.schemas, self._live)
        self._nodes.update({new.id: new for new in added})
        self._keyring.add(added)
        wanted = [source for result in results for source, _ in expansion.result_links(result)]
        self._results.expect(source for new in added for _, source, _ in new.links)
        self._results.expect(wanted)
        self._show(node, results)
        self._expanded[node.id] = _Expanded(inputs, results, seconds)
        for new in added:
            if new.schema.output_node:
                self._schedule.add(new.id)
        for source in wanted:
            if not self._results.available(source):
                self._schedule.wait_for(node.id, source)
        self._schedule.put_back(node.id)

    def _assemble(self, node: GraphNode, waiting: _Expanded) -> None:
        """Put the outputs of a node together from those of the graphs it became."""
        try:
            calls = [expansion.resolved(result, node.schema, self._read_slot) for result in waiting.results]
        except MissingResult as missing:
            self._run_again(node, missing.sources)
            return
        del self._expanded[node.id]
        self._results.expect([node.id])  # held to the end: a node that expands can't run twice, its ids are taken
        self._results.release(source for result in waiting.results for source, _ in expansion.result_links(result))
        self._finish(node, join(calls), waiting.results, waiting.seconds)

    def _read_slot(self, source: str, slot: int) -> list[Any]:
        outputs = self._results.read(source)
        if outputs is None:
            raise MissingResult([source])
        return outputs[slot] if -len(outputs) <= slot < len(outputs) else [None]

    # -- nodes beside the run's thread

    def _worth_a_thread(self, node: GraphNode) -> bool:
        usual = self._world.averages.get(node.class_type, WORTH_A_THREAD)
        return usual >= WORTH_A_THREAD and self._schedule.has_ready and self._overlap.has_room

    def _collect(self, timeout: float) -> None:
        """Take what has finished; look whether the job was cancelled while nothing has."""
        finished = self._overlap.finished(timeout)
        for under, result in finished:
            with self._blaming(under.node, None if under.awaited else under.inputs):
                self._receive(under, result())
        if not finished and self._world.cancel.cancelled:
            raise self._interrupted(self._overlap.oldest().node)

    # -- early ends

    def _interrupted(self, node: GraphNode) -> RunStopped:
        world = self._world
        world.emit(failures.interruption(world.job_id, node, self.executed, world.now()))
        return RunStopped(RunState.CANCELLED)

    def _failed(self, node: GraphNode, error: BaseException, inputs: Inputs | None) -> RunStopped:
        world = self._world
        world.observers.node_failed(node.id, node.schema.node, error)
        shown = inputs.shown() if inputs is not None else None
        failure = failures.failure(world.job_id, node, error, shown, self._live, self.executed, world.now())
        world.emit(failure)
        return RunStopped(RunState.FAILED, failure)

    def _stuck(self, cycle: DependencyCycle) -> RunStopped:
        """Nothing can go on; the blame is on the node whose expansion made the cycle."""
        added = (self._nodes[node_id] for node_id in cycle.nodes if self._live.get_parent_node_id(node_id))
        return self._failed(next(added, self._nodes[cycle.nodes[0]]), cycle, None)
