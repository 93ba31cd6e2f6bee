"""What is wrong with a workflow, in words for the one who runs it: which node, whose, which input, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from host.engine.catalogue import Schemas
from host.errors import PromptRejected
from sdk.nodes import Output

SHOWN = 8
WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
Fault = Mapping[str, Any]


class WorkflowRejected(PromptRejected):
    """A workflow that can't run, explained; ``lines`` say what is wrong, one fault each."""

    def __init__(self, rejected: PromptRejected, lines: Sequence[str]) -> None:
        super().__init__(rejected.error, rejected.node_errors, rejected.cycle)
        self.lines = tuple(lines)

    def __str__(self) -> str:
        return "\n".join(("the workflow can't run", *(f"  {line}" for line in self.lines)))

    def as_json(self) -> dict[str, Any]:
        return {**super().as_json(), "type": PromptRejected.__name__, "message": str(self)}


def explained(rejected: PromptRejected, prompt: Mapping[str, Any], schemas: Schemas) -> WorkflowRejected:
    """The same error with words of explanation for every fault."""
    cycle = rejected.cycle
    lines = list(fault_lines(rejected.node_errors, prompt, schemas))
    if cycle:
        lines.append(_circle(cycle, prompt, schemas))
    if rejected.error["type"] == "prompt_no_outputs":
        lines.append("nothing in it saves or shows a result. Add a node that does, such as SaveImage.")
    if not lines:
        lines.append(f"{rejected.error['message']} {rejected.error.get('details', '')}".strip())
    return WorkflowRejected(rejected, lines)


def fault_lines(node_errors: Mapping[str, Any], prompt: Mapping[str, Any], schemas: Schemas) -> Iterator[str]:
    """One line for each fault of each node."""
    for node_id, entry in node_errors.items():
        schema = schemas.find(entry["class_type"])
        for fault in entry["errors"]:
            case = Case(node_id, fault, schema, prompt, schemas)
            where = _node(node_id, prompt, schemas) + (f", input {case.name}" if case.name else "")
            yield f"{where}: {_said(case)}"


def unsaid_lines(
    node_errors: Mapping[str, Any], cycle: Sequence[str], prompt: Mapping[str, Any], schemas: Schemas
) -> list[str]:
    """What the web API's form of these faults leaves unsaid: circles of links, and links that lead to nothing."""
    raised = {
        node_id: {**entry, "errors": faults}
        for node_id, entry in node_errors.items()
        if (faults := [fault for fault in entry["errors"] if fault["type"].startswith("exception_")])
    }
    lines = list(fault_lines(raised, prompt, schemas))
    return [*lines, _circle(cycle, prompt, schemas)] if cycle else lines


def _circle(cycle: Sequence[str], prompt: Mapping[str, Any], schemas: Schemas) -> str:
    path = " -> ".join(_node(node_id, prompt, schemas) for node_id in (*cycle, cycle[0]))
    return f"links lead round in a circle: {path}. Remove one of them."


@dataclass(frozen=True)
class Case:
    """One fault of one node; ``schema`` is the node's class as it is now."""

    node_id: str
    fault: Fault
    schema: Any
    prompt: Mapping[str, Any]
    schemas: Schemas

    @property
    def extra(self) -> Mapping[str, Any]:
        extra: Mapping[str, Any] = self.fault["extra_info"]
        return extra

    @property
    def name(self) -> str:
        """The input at fault; "" where it is the node as a whole. Checks that ended early name an input of others."""
        return "" if self.fault["type"].startswith("exception_") else self.extra.get("input_name", "")

    @property
    def source(self) -> str:
        """Where the input's choices come from, such as ``folder:checkpoints``; "" if it has fixed ones."""
        source: str = self.schema.sources.get(self.name, "")
        return source


def _node(node_id: str, prompt: Mapping[str, Any], schemas: Schemas) -> str:
    kind = prompt[node_id]["class_type"]
    node = schemas.offers(kind)
    return f"node {node_id} ({kind}, pack {node.pack} {node.pack_version})" if node else f"node {node_id} ({kind})"


def _said(case: Case) -> str:
    words = _WORDS.get(case.fault["type"])
    if words is None or case.schema is None:
        return f"{case.fault['message']}: {case.fault['details']}".strip(": ")
    return words(case)


def _not_in_list(case: Case) -> str:
    value, declared = case.extra["received_value"], case.schema.node.input(case.name)
    choices = [str(choice) for choice in declared.choices or ()]
    if case.source.startswith(("folder:", "input")):
        return _no_such_file(value, choices, case.source)
    close = get_close_matches(str(value), choices, n=3)
    said = f"{value!r} is no choice. "
    return said + (f"Did you mean {' or '.join(close)}?" if close else f"There are: {_some(choices)}.")


def _no_such_file(value: object, choices: Sequence[str], source: str) -> str:
    kind = source.removeprefix("folder:")
    place = f"the models folder {kind!r} (--models-dir)" if kind != source else "the input folder (--input-dir)"
    there = f"There are: {_some(choices)}." if choices else "It holds none yet."
    return f"there is no file {value!r} in {place}. {there}"


def _some(choices: Sequence[str]) -> str:
    more = f" and {len(choices) - SHOWN} more" if len(choices) > SHOWN else ""
    return (", ".join(choices[:SHOWN]) or "none") + more


def _out_of_range(case: Case) -> str:
    rule = case.schema.rules[case.name]
    ends = (("at least", rule.minimum), ("at most", rule.maximum))
    allowed = " and ".join(f"{word} {end}" for word, end in ends if end is not None)
    return f"{case.extra['received_value']} is out of range. Give {allowed}."


def _missing(case: Case) -> str:
    kind = case.schema.node.input(case.name).type
    if kind in WIDGETS:
        return "it is needed and not there. Give it in the workflow or with --set."
    return f"it is needed and not linked. Link it to an output of type {kind}."


def _mismatch(case: Case) -> str:
    wanted, extra = case.schema.rules[case.name].wanted, case.extra
    wanted = wanted if isinstance(wanted, str) else "COMBO"
    return (
        f"it takes {wanted}, but is linked to an output of node {extra['linked_node'][0]} that gives "
        f"{extra['received_type']}. Link it to an output of type {wanted}."
    )


def _unconvertible(case: Case) -> str:
    return f"{case.extra['received_value']!r} is no {case.schema.rules[case.name].wanted}. Give a value of that type."


def _bad_link(case: Case) -> str:
    return f"{case.extra['received_value']!r} is no link. Write a link as [node id, number of the output]."


def _check_raised(case: Case) -> str:
    inputs = case.prompt[case.node_id].get("inputs")
    if not isinstance(inputs, Mapping):
        return 'its "inputs" are no object. Save the workflow again.'
    for name, value in inputs.items():
        if isinstance(value, list) and len(value) == 2 and (said := _broken_link(case, name, *value)):
            return said
    said = case.extra.get("exception_message", case.fault["details"])
    return f"its check ended with {case.extra['exception_type']}: {said}. Look at its values and links."


def _broken_link(case: Case, name: str, source: object, slot: object) -> str:
    """What is wrong with a link that leads to nothing; "" if it leads somewhere."""
    if not isinstance(source, str) or not isinstance(case.prompt.get(source), Mapping):
        return f"input {name} is linked to node {source}, which is not in the workflow. Link it to one that is."
    linked = case.schemas.find(case.prompt[source].get("class_type"))
    if linked is None or (isinstance(slot, int) and -len(linked.node.outputs) <= slot < len(linked.node.outputs)):
        return ""
    there = [f"{number} ({_output(output)})" for number, output in enumerate(linked.node.outputs)]
    remedy = f"It has: {_some(there)}. Link the input to one of these." if there else "It has none; link another node."
    return f"input {name} is linked to output {slot!r} of {_node(source, case.prompt, case.schemas)}. {remedy}"


def _output(output: Output) -> str:
    return output.type if output.name == output.type else f"{output.name}, {output.type}"


def _refused(case: Case) -> str:
    reason = case.fault["details"].partition(" - ")[2] or "the node refuses this value"
    if case.name in case.schema.node.reads:
        return f"{reason}. Put the file into the input folder (--input-dir), or name one that is there."
    return f"{reason}."


_WORDS = {
    "value_not_in_list": _not_in_list,
    "value_smaller_than_min": _out_of_range,
    "value_bigger_than_max": _out_of_range,
    "required_input_missing": _missing,
    "return_type_mismatch": _mismatch,
    "invalid_input_type": _unconvertible,
    "bad_linked_input": _bad_link,
    "exception_during_inner_validation": _check_raised,
    "exception_during_validation": _check_raised,
    "custom_validation_failed": _refused,
}
