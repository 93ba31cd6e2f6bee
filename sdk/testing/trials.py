"""Tries out every node of a pack on values made from what it declares."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sdk.errors import Cancelled, NodeError, SdkError
from sdk.nodes import MISSING, Determinism, NodeResult, NodeType
from sdk.testing.contexts import FakeContext
from sdk.testing.review import check_node
from sdk.testing.running import NodeUnderTest, map_node
from sdk.testing.samples import NoSample, sample_inputs
from sdk.testing.values import check_result, same


class TrialFailed(SdkError):
    """A node does not do what it declares; ``faults`` says in what."""

    def __init__(self, node: str, faults: list[str]) -> None:
        super().__init__(node, faults)
        self.node, self.faults = node, faults

    def __str__(self) -> str:
        return f"node {self.node!r}: " + "; ".join(self.faults)


class NotTried(SdkError):
    """A trial says nothing about this node; ``reason`` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A node, the pack's other nodes, and what to try it with.

    Attributes:
        given: inputs that the pack chooses for its trial.
        context: makes a fresh context for each run.
        foreign: the pack is written for another program, which asks less of a node.
    """

    node: NodeType
    nodes: Mapping[str, NodeType]
    given: Mapping[str, Any]
    context: Callable[[], FakeContext]
    foreign: bool = False

    def inputs(self) -> dict[str, Any]:
        """Raises NotTried where there is no value for one."""
        try:
            return sample_inputs(self.node, self.given, self.nodes)
        except NoSample as error:
            raise NotTried(str(error)) from error

    def run(self, context: FakeContext, inputs: Mapping[str, Any]) -> NodeResult:
        """One run; a node that refuses made-up values is not to blame. Foreign nodes may refuse by any error."""
        try:
            return NodeUnderTest(self.node, context).run(**inputs)
        except Cancelled:
            raise
        except Exception as error:
            if self.given or not (self.foreign or isinstance(error, NodeError)):
                raise
            raise NotTried(
                f"node {self.node.id!r} refuses the values made up for it ({error}); give it better ones with "
                "pytest_sample_inputs in tests/conftest.py"
            ) from error

    def demand(self, faults: list[str]) -> None:
        """Raises TrialFailed where there are faults."""
        if faults:
            raise TrialFailed(self.node.id, faults)


def is_described(subject: Subject) -> None:
    """Users find out what the node and each input are about."""
    if subject.foreign:
        raise NotTried(f"node {subject.node.id!r} is written for another program, which asks for no tooltips")
    prefix = f"node {subject.node.id!r}: "
    subject.demand([fault.removeprefix(prefix) for fault in check_node(subject.node)])


def gives_what_it_declares(subject: Subject) -> None:
    """One run gives one value of the declared type for each output."""
    subject.demand(check_result(subject.node, subject.run(subject.context(), subject.inputs())))


def leaves_its_inputs_alone(subject: Subject) -> None:
    """Values that flow in are unchanged afterwards: they are other nodes' results, and may be cached."""
    inputs = subject.inputs()
    before = copy.deepcopy(inputs)
    subject.run(subject.context(), inputs)
    changed = [name for name, value in inputs.items() if not same(value, before[name])]
    subject.demand([f"it changes its input {name!r} in place; work on a copy" for name in changed])


def gives_the_same_again(subject: Subject) -> None:
    """Two runs with equal inputs give equal results, as a node promises that is not marked otherwise."""
    node = subject.node
    if node.determinism is not Determinism.PURE or node.fingerprint is not None:
        raise NotTried(f"node {node.id!r} does not promise it")
    if node.output_node:
        raise NotTried(f"node {node.id!r} is there for its effect")
    first, second = (subject.run(subject.context(), subject.inputs()) for _ in range(2))
    if not same(first.outputs, second.outputs):
        remedy = "define IS_CHANGED" if subject.foreign else "set determinism=Determinism.EXTERNAL"
        subject.demand([f"equal inputs gave different outputs; take a seed as an input, or {remedy}"])


def works_on_lists(subject: Subject) -> None:
    """With two items in each list, a node that maps gives two results; one that takes lists copes with two."""
    node, inputs = subject.node, subject.inputs()
    if node.takes_lists:
        subject.demand(check_result(node, subject.run(subject.context(), inputs)))
        return
    if not node.inputs or node.output_node:
        raise NotTried(f"node {node.id!r} has nothing to map over")
    single = subject.run(subject.context(), inputs)
    if single.expand is not None:
        raise NotTried(f"node {node.id!r} gives a graph instead of values")
    values = {item.name: inputs.get(item.name, item.default) for item in node.inputs}
    lists = {name: [value, value] for name, value in values.items() if value is not MISSING}
    columns = map_node(node, subject.context(), **lists)
    wanted = [2 * len(v) if o.is_list else 2 for o, v in zip(node.outputs, single.outputs, strict=True)]
    found = [len(column) for column in columns]
    subject.demand([] if found == wanted else [f"two items gave {found} values, and {wanted} were to be expected"])


def stops_when_cancelled(subject: Subject) -> None:
    """A node that reports progress ends at the report after which its job is cancelled."""
    context = subject.context()
    subject.run(context, subject.inputs())
    if not context.progressed:
        raise NotTried(f"node {subject.node.id!r} reports no progress")
    context = subject.context()
    context.cancel_after = 1
    try:
        subject.run(context, subject.inputs())
    except Cancelled:
        return
    subject.demand(["it went on after its job was cancelled; let Cancelled pass"])


TRIALS: tuple[Callable[[Subject], None], ...] = (
    is_described,
    gives_what_it_declares,
    leaves_its_inputs_alone,
    gives_the_same_again,
    works_on_lists,
    stops_when_cancelled,
)
