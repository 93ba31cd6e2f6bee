"""E_engine: what a server answers to prompts, what it sends while it runs them, and what its history then says.

Queue numbers and ``status`` messages belong to the web server and are left out. Where the reference's answer depends on
the order of a set, any order is accepted; texts of exceptions that the engine raises itself are its own.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from host.comfyui.loading import load_pack
from host.engine import errors
from host.engine.caching.cache import LastPromptCache
from host.engine.cancellation import Cancellation
from host.engine.catalogue import Catalogue
from host.engine.events import Event, JobEnded, NodeProgress
from host.engine.executor import Executor
from host.engine.jobs.submission import BadSubmission, read_submission
from host.engine.messages import Messages, status
from host.engine.object_info import object_info
from host.engine.outcome import Outcome, RunState
from host.engine.validation.prompt import Validated, validate
from host.folders import LocalFolders
from tests.support.engine import PlainJob
from tests.support.node_context import NoModels

PACK = Path(__file__).parents[2] / "support" / "packs" / "g2_testpack"
CORE = ("sampler_nodes", "latents.sizes", "latents.files", "images.loaders", "images.savers")
OWN_ERRORS = {kind.reported_as for kind in errors.RunError.__subclasses__()} - {"IndexError", "TypeError"}


def cases(folder: Path) -> list[str]:
    valid = [f"valid/{scenario['id']}" for scenario in _load(folder, "valid_prompts")["scenarios"]]
    invalid = [f"invalid/{case['id']}" for case in _load(folder, "invalid_prompts")["cases"]]
    served = [f"served/{name}" for name in (*valid, *invalid)]
    return [*valid, *invalid, *served, "object_info_testpack", "ws_connect"]


def run(folder: Path, name: str, tmp_path: Path) -> None:
    kind, _, case = name.partition("/")
    if kind == "served":
        from tests.goldens.runners import engine_http

        engine_http.check(folder, *case.split("/", 1))
        return
    folders = LocalFolders(tmp_path, NoModels())
    if kind == "object_info_testpack":
        assert object_info(load_pack(PACK).nodes) == _load(folder, kind)
    elif kind == "ws_connect":
        assert [status(0, "g2client").as_json()] == _load(folder, kind)["messages"]
    elif kind == "invalid":
        _check_invalid(_find(_load(folder, "invalid_prompts")["cases"], case), folders)
    else:
        server = _Server(folders)
        for step in _find(_load(folder, "valid_prompts")["scenarios"], case)["steps"]:
            server.check(step)


@cache
def _load(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))


def _find(entries: list[Any], case: str) -> Any:
    return next(entry for entry in entries if entry["id"] == case)


def _catalogue(folders: LocalFolders) -> Catalogue:
    choices = {"samplers": ("euler",), "schedulers": ("normal",)}
    catalogue = Catalogue(lambda source: choices[source] if source in choices else folders.choices(source))
    for node in load_pack(PACK).nodes:
        catalogue.add(replace(node, pack="g2_testpack", pack_version="1"))
    for module in CORE:
        try:
            nodes = import_module(f"host.builtin_nodes.{module}").register_nodes()
        except ModuleNotFoundError:
            continue
        for node in nodes:
            catalogue.add(replace(node, pack="core", pack_version="1"))
    return catalogue


# -- answers


def _post(body: str, catalogue: Catalogue, folders: LocalFolders) -> tuple[int, Any, Validated | None]:
    """Status, JSON and plan for a request, as a web server puts them together."""
    try:
        said = read_submission(body)
    except BadSubmission as error:
        return 400, error.answer, None
    plan = validate(said.prompt, catalogue.current(), said.targets, folders)
    if plan.error is not None:
        return 400, {"error": plan.error, "node_errors": plan.node_errors}, None
    return 200, {"prompt_id": said.prompt_id, "node_errors": plan.node_errors}, plan


def _check_invalid(case: Mapping[str, Any], folders: LocalFolders) -> None:
    if case["id"] == "deep_recursion":
        request: Any = {"prompt": _deep_chain()}
    else:
        request = case.get("request")
    body = case["raw_body"] if "raw_body" in case else json.dumps(request)
    code, answer, _ = _post(body, _catalogue(folders), folders)
    if case["id"] == "deep_recursion":
        assert code == 200
    elif case["status"] == 500:
        assert code == 400
        assert answer["error"]["message"]
    else:
        assert code == case["status"]
        _compare_answers(answer, case["json"], (json.loads(body) or {}).get("prompt") if body.startswith("{") else None)


def _deep_chain() -> dict[str, Any]:
    chain = {str(i): {"class_type": "G2Add", "inputs": {"a": [str(i + 1), 0], "b": 1}} for i in range(1500)}
    ends = {"1500": ("G2Int", {"value": 1}), "out": ("G2Out", {"v": ["0", 0]})}
    return chain | {key: {"class_type": kind, "inputs": inputs} for key, (kind, inputs) in ends.items()}


def _compare_answers(ours: Any, theirs: Any, prompt: Any) -> None:
    ours, theirs = _plain(ours), _plain(theirs)
    assert _sorted_lines(ours.get("error")) == _sorted_lines(theirs.get("error"))
    assert ours.get("prompt_id") == theirs.get("prompt_id") or "prompt_id" not in (prompt or {})
    assert ours["node_errors"].keys() == theirs["node_errors"].keys()
    failing = {node_id for entry in theirs["node_errors"].values() for node_id in entry["dependent_outputs"]}
    for node_id, entry in ours["node_errors"].items():
        expected = theirs["node_errors"][node_id]
        assert _as_set(entry["errors"]) == _as_set(expected["errors"])
        assert entry["class_type"] == expected["class_type"]
        dependent = set(entry["dependent_outputs"])
        assert len(dependent) == len(entry["dependent_outputs"])
        assert _readers(prompt, node_id) & failing <= dependent <= failing
    assert {n for entry in ours["node_errors"].values() for n in entry["dependent_outputs"]} == failing


def _sorted_lines(error: Any) -> Any:
    return error and {**error, "details": sorted(error["details"].split("\n"))}


def _as_set(faults: list[Any]) -> list[str]:
    """Faults in any order, without the tooltips of inputs, whose words are each host's own."""
    for fault in faults:
        config = fault["extra_info"].get("input_config")
        if config:
            config[1].pop("tooltip", None)
    return sorted(json.dumps(fault, sort_keys=True) for fault in faults)


def _readers(prompt: Any, node_id: str) -> set[str]:
    """A node, and whatever needs it."""
    found, grown = {node_id}, True
    while grown:
        needing = {
            reader
            for reader, entry in prompt.items()
            if isinstance(entry.get("inputs"), dict)
            for value in entry["inputs"].values()
            if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and value[0] in found
        }
        grown = not needing <= found
        found |= needing
    return found


# -- runs


class _Server:
    """Answers and runs the steps of one scenario, one after the other."""

    def __init__(self, folders: LocalFolders) -> None:
        self._folders = folders
        self._catalogue = _catalogue(folders)
        self._executor = Executor(LastPromptCache())

    def check(self, step: Mapping[str, Any]) -> None:
        request = step["request"]
        code, answer, plan = _post(json.dumps(request), self._catalogue, self._folders)
        assert code == step["response"]["status"]
        _compare_answers(answer, step["response"]["json"], request["prompt"])
        if plan is None:
            return
        extra_data = {**request.get("extra_data", {})}
        if "client_id" in request:
            extra_data["client_id"] = request["client_id"]
        job = PlainJob(request["prompt_id"], extra_data)
        transcript = _Transcript(request.get("client_id"), step)
        outcome = self._executor.run(job, plan, transcript, transcript.cancel)
        transcript.emit(JobEnded(job.id))
        transcript.compare(step, request["prompt"])
        _compare_histories(_history(job, plan, outcome, transcript), step["history"][job.id])


class _Transcript:
    """The messages of one run; cancels it where the recorded one was interrupted."""

    def __init__(self, client_id: str | None, step: Mapping[str, Any]) -> None:
        self._messages = Messages(client_id, full_state=True)
        self.sent: list[Any] = []
        self.recorded: list[Any] = []
        self.cancel = Cancellation()
        steps = sum(message["type"] == "progress" for message in step["ws"])
        interrupted = any(message["type"] == "execution_interrupted" for message in step["ws"])
        self._steps_to_cancel = steps if interrupted else None

    def emit(self, event: Event) -> None:
        self.sent += [message.as_json() for message in self._messages.delivered(event)]
        if not isinstance(event, JobEnded):
            self.recorded += [[m.type, m.data] for m in self._messages.of(event) if m.recorded]
        if isinstance(event, NodeProgress) and event.value == self._steps_to_cancel:
            self.cancel.cancel()

    def compare(self, step: Mapping[str, Any], prompt: Mapping[str, Any]) -> None:
        ours = [_comparable(message) for message in self.sent]
        theirs = [_comparable(message) for message in step["ws"] if message["type"] != "status"]
        order = [m["data"]["node"] for m in ours if m["type"] == "executing" and m["data"]["node"] is not None]
        if step.get("executing_order_varies") and order != step["executing_order"]:
            assert sorted(order) == sorted(step["executing_order"])
            _assert_valid_order(order, prompt)
            ours, theirs = _unordered(ours), _unordered(theirs)
        else:
            assert order == step["executing_order"]
        assert ours == theirs
        cached = [m["data"]["nodes"] for m in ours if m["type"] == "execution_cached"]
        assert cached in ([step["cached"]], [])
        ui = {m["data"]["node"]: m["data"]["output"] for m in ours if m["type"] == "executed"}
        assert ui == step["ui"]


def _assert_valid_order(order: list[str], prompt: Mapping[str, Any]) -> None:
    for node_id in order:
        for value in prompt.get(node_id, {}).get("inputs", {}).values():
            if isinstance(value, list) and value[0] in order:
                assert order.index(value[0]) < order.index(node_id)


def _unordered(messages: list[Any]) -> list[str]:
    """The messages as a set; what a progress message says of other nodes depends on the order."""
    return sorted(m["type"] if m["type"] == "progress_state" else json.dumps(m, sort_keys=True) for m in messages)


def _comparable(message: Any) -> Any:
    message = _plain(message)
    data = message["data"]
    for key in ("executed", "current_outputs"):
        if key in data:
            data[key] = sorted(data[key])
    if data.get("exception_type") in OWN_ERRORS or data.get("exception_type") in ("IndexError", "TypeError"):
        data["exception_message"] = "(the engine's or Python's own words)"
    if "exception_type" in data:
        data["exception_type"] = re.sub(r"^(<custom_nodes>/|custom_nodes\.)", "", data["exception_type"])
    return message


def _history(job: PlainJob, plan: Validated, outcome: Outcome, transcript: _Transcript) -> dict[str, Any]:
    meta = {
        node_id: {
            "node_id": shown.node_id,
            "display_node": shown.display_id,
            "parent_node": shown.parent_id,
            "real_node_id": shown.real_id,
        }
        for node_id, shown in outcome.ui.items()
    }
    succeeded = outcome.state is RunState.SUCCEEDED
    return {
        "prompt": [0, job.id, plan.prompt, job.extra_data, list(plan.outputs)],
        "outputs": {node_id: shown.output for node_id, shown in outcome.ui.items()},
        "status": {
            "status_str": "success" if succeeded else "error",
            "completed": succeeded,
            "messages": transcript.recorded,
        },
        "meta": meta,
    }


def _compare_histories(ours: Any, recorded: Any) -> None:
    theirs = copy.deepcopy(recorded)  # it is shared with the other way of running this case
    for entry in (ours, theirs):
        entry["prompt"] = [*entry["prompt"][1:4], sorted(entry["prompt"][4])]
        messages = [_comparable({"type": kind, "data": data}) for kind, data in entry["status"]["messages"]]
        entry["status"]["messages"] = messages
    last = theirs["status"]["messages"][-1]
    if last["data"].get("exception_type") == errors.DependencyCycle.reported_as:
        # The reference tells its clients of the error but files the run as a success.
        theirs["status"] |= {"status_str": "error", "completed": False}
    assert _plain(ours) == _plain(theirs)


def _plain(value: Any) -> Any:
    """JSON values, with what differs from run to run replaced as in the reference data."""

    def replaced(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: _replaced_field(key, replaced(part)) for key, part in item.items()}
        return [replaced(part) for part in item] if isinstance(item, list) else item

    return replaced(json.loads(json.dumps(value)))


def _replaced_field(key: str, value: Any) -> Any:
    if key == "timestamp":
        return "<ms>"
    if key == "traceback" and value:
        return "<traceback:list>"
    return value
