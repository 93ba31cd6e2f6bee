"""Small nodes, jobs and sinks for engine tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from host.engine.caching.cache import LastPromptCache, ResultCache
from host.engine.cancellation import Cancellation
from host.engine.catalogue import Catalogue, no_choices
from host.engine.events import Event, NodesCached, NodeStarted
from host.engine.executor import Executor
from host.engine.outcome import Outcome
from host.engine.schemas import Choices
from host.engine.validation.prompt import Validated, validate
from sdk.nodes import Input, NodeResult, NodeType, Output


@dataclass(frozen=True)
class PlainJob:
    """As much of a job as the executor looks at."""

    id: str = "job"
    extra_data: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Recorder:
    """A sink that remembers, and may react."""

    events: list[Event] = field(default_factory=list)
    react: Callable[[Event], None] | None = None

    def emit(self, event: Event) -> None:
        self.events.append(event)
        if self.react is not None:
            self.react(event)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def started(self) -> list[str]:
        return [event.node.node_id for event in self.of(NodeStarted)]

    @property
    def cached(self) -> list[str]:
        return [node_id for event in self.of(NodesCached) for node_id in event.nodes]


def make_node(
    node_id: str,
    work: Callable[..., Any],
    inputs: Mapping[str, str] | Iterable[Input] = (),
    outputs: Iterable[str] = ("INT",),
    **options: Any,
) -> NodeType:
    """A node whose work gets its inputs by name, and gives a NodeResult, or the value of its one output."""

    def run(state: Any, given: dict[str, Any], context: Any) -> Any:
        value = work(**given)
        return value if isinstance(value, NodeResult) or hasattr(value, "__await__") else NodeResult(outputs=(value,))

    declared = [Input(name=n, type=t) for n, t in inputs.items()] if isinstance(inputs, Mapping) else inputs
    named = tuple(Output(type=kind, name=kind) for kind in outputs)
    return NodeType(
        **{
            "id": node_id,
            "inputs": tuple(declared),
            "outputs": named,
            "run": run,
            "pack": "test",
            "pack_version": "1",
            **options,
        }
    )


NUMBER = make_node("Number", lambda value: value, {"value": "INT"})
ADD = make_node("Add", lambda a, b: a + b, {"a": "INT", "b": "INT"})
SHOW = make_node("Show", lambda v: NodeResult(ui={"text": [str(v)]}), {"v": "*"}, (), output_node=True)

LISTED = NodeType(
    id="Listed",
    run=lambda state, inputs, context: NodeResult(outputs=(list(range(inputs["n"])),)),
    inputs=(Input(name="n", type="INT"),),
    outputs=(Output(type="INT", name="INT", is_list=True),),
    pack="test",
)


def make_catalogue(*nodes: NodeType, **options: Any) -> Catalogue:
    """A catalogue of Number, Add, Show, and these."""
    catalogue = Catalogue(**options)
    for node in (NUMBER, ADD, SHOW, *nodes):
        catalogue.add(node)
    return catalogue


class Bench:
    """Validates and runs prompts against one cache."""

    def __init__(
        self, *nodes: NodeType, cache: ResultCache | None = None, choices: Choices = no_choices, **options: Any
    ) -> None:
        self.catalogue = make_catalogue(*nodes, choices=choices)
        self.executor = Executor(cache or LastPromptCache(), **options)
        self.cancel = Cancellation()
        self.seen = Recorder()

    def validate(self, prompt: Mapping[str, Any], **options: Any) -> Validated:
        return validate(api(prompt), self.catalogue.current(), **options)

    def run(self, prompt: Mapping[str, Any], *, extra: Mapping[str, Any] | None = None, **options: Any) -> Outcome:
        """Run a short prompt (see ``api``); ``seen`` has what was emitted."""
        checked = self.validate(prompt, **options)
        assert checked.error is None, checked.error
        self.seen = Recorder(react=self.seen.react)
        return self.executor.run(PlainJob(extra_data=extra or {}), checked, self.seen, self.cancel)

    def shown(self, prompt: Mapping[str, Any], **options: Any) -> dict[str, Any]:
        """Run, and give what nodes show by id; the run must succeed."""
        outcome = self.run(prompt, **options)
        assert outcome.failure is None, outcome.failure
        return {node_id: ui.output["text"] for node_id, ui in outcome.ui.items()}


def api(prompt: Mapping[str, Any]) -> dict[str, Any]:
    """The API format of ``{"1": ("Add", {"a": 1, "b": ["2", 0]})}``."""
    return {
        node_id: {"class_type": entry[0], "inputs": dict(entry[1])} if isinstance(entry, tuple) else entry
        for node_id, entry in prompt.items()
    }
