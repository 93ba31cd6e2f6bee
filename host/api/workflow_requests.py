"""Reads workflows that clients send: JSON in API or UI format, or a picture with one inside; and changes to it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.datastructures import UploadFile
from starlette.requests import Request

from host.api.requests import BadRequest, check_depth, parse_json
from host.workflow_files import WorkflowFile, WorkflowFileError, parse_workflow, read_workflow

ENVELOPE = ("workflow", "overrides")


@dataclass(frozen=True)
class WorkflowRequest:
    """A workflow with what was said beside it.

    Attributes:
        overrides: ``node.input=value``, as the command line takes them.
        said: the other keys: ``client_id``, ``number``, ``webhook`` …
    """

    workflow: WorkflowFile
    overrides: tuple[str, ...] = ()
    said: Mapping[str, Any] = field(default_factory=dict)


async def read_request(request: Request) -> WorkflowRequest:
    """The workflow in a body: a form with a file ``workflow``, a picture, or JSON.

    JSON is a workflow itself, or ``{"workflow": …, "overrides": …}``. ``?set=node.input=value`` adds overrides.

    Raises:
        BadRequest: there is no workflow in it, or the overrides can't be read.
    """
    added = tuple(request.query_params.getlist("set"))
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        async with request.form() as form:
            file = form.get("workflow")
            content = await file.read() if isinstance(file, UploadFile) else str(file or "").encode()
            said = {name: value for name, value in form.items() if isinstance(value, str) and name not in ENVELOPE}
            overrides = form.get("overrides")
        listed = _overrides(parse_json(overrides.encode())) if isinstance(overrides, str) else ()
        return WorkflowRequest(read_content(content), listed + added, said)
    content = await request.body()
    if not content.lstrip().startswith(b"{"):
        return WorkflowRequest(read_content(content), added)
    said = parse_json(content)
    if not isinstance(said.get("workflow"), Mapping):
        return WorkflowRequest(read_content(content), added, _beside(said) if "prompt" in said else {})
    workflow = read_content(json.dumps(said["workflow"]).encode())
    return WorkflowRequest(workflow, _overrides(said.get("overrides")) + added, _beside(said))


def read_content(content: bytes) -> WorkflowFile:
    """The workflow in these bytes; raises BadRequest."""
    try:
        if content.lstrip().startswith(b"{"):
            found = parse_workflow(content, Path("workflow"))
        else:
            found = _from_picture(content)
    except WorkflowFileError as error:
        raise BadRequest(f"The workflow can't be read: {error.problem}. {error.remedy}") from error
    check_depth(found.data)
    return found


def _from_picture(content: bytes) -> WorkflowFile:
    with tempfile.NamedTemporaryFile(suffix=".upload") as file:
        file.write(content)
        file.flush()
        return read_workflow(Path(file.name))


def _beside(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name not in (*ENVELOPE, "prompt")}


def _overrides(said: Any) -> tuple[str, ...]:
    """``{"3.seed": 42}`` or ``["3.seed=42"]`` in the form of the command line."""
    if said is None:
        return ()
    if isinstance(said, Mapping):
        return tuple(
            f"{place}={value if isinstance(value, str) else json.dumps(value)}" for place, value in said.items()
        )
    if isinstance(said, list) and all(isinstance(item, str) for item in said):
        return tuple(said)
    raise BadRequest('overrides must be {"node.input": value} or a list of "node.input=value".')
