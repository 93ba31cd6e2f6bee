"""Workflows out of files: JSON in API or UI format, or embedded in a PNG, WebP or JPEG picture.

WorkflowFileError
├── UnreadableFile     it can't be opened
├── NoWorkflow         a sound file, but nothing in it that could be run
├── BrokenJson         with line and column
├── TooLarge           file or embedded text above the limit
├── TooDeep            nested beyond what any workflow needs
├── NotAnImage         called like a picture, but it is none
└── DamagedImage       cut off or broken before a workflow was found
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, TypeGuard

from host.provenance import KEY
from sdk import png_texts

MAX_BYTES = 64 * 2**20  # a chain of 100,000 nodes takes about 15 MB
MAX_DEPTH = 100
IMAGE_SUFFIXES = frozenset((".png", ".apng", ".webp", ".jpg", ".jpeg", ".gif", ".avif", ".bmp", ".tif", ".tiff"))
JPEG_START, RIFF, WEBP = b"\xff\xd8", b"RIFF", b"WEBP"


class WorkflowFileError(Exception):
    """A file gives no workflow; ``path`` says which, ``problem`` why, ``remedy`` what to do."""

    remedy = "Save the workflow again in the program it comes from."

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path, self.problem = path, problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}. {self.remedy}"


class UnreadableFile(WorkflowFileError):
    """The file can't be opened."""

    remedy = "Check the path and its permissions."


class NoWorkflow(WorkflowFileError):
    """There is no workflow in the file."""

    remedy = "Give a workflow in JSON (API or UI format), or a picture that was saved with its workflow inside."


class BrokenJson(WorkflowFileError):
    """The workflow's JSON can't be parsed.

    Attributes:
        line, column: where, counted from 1, inside the JSON text.
    """

    def __init__(self, path: Path, where: str, message: str, line: int, column: int) -> None:
        super().__init__(path, f"{where} is broken JSON: {message} at line {line}, column {column}")
        self.line, self.column = line, column


class TooLarge(WorkflowFileError):
    """The workflow is larger than the limit."""


class TooDeep(WorkflowFileError):
    """The JSON is nested too deeply."""


class NotAnImage(WorkflowFileError):
    """The file is called like a picture, but its content is none."""


class DamagedImage(WorkflowFileError):
    """The picture is cut off or broken, and no workflow was found in what is left."""


class WorkflowKind(StrEnum):
    """How a workflow is written down."""

    API = "api"  # nodes by id, ready to run
    UI = "ui"  # the graph as drawn: nodes with positions, links


@dataclass(frozen=True)
class WorkflowFile:
    """A workflow as it stood in a file.

    Attributes:
        data: the parsed workflow. NaN and Infinity, which Python programs write, are floats.
        extra_pnginfo: what belongs into the files that a run of it saves; ``workflow`` is the graph as drawn.
    """

    kind: WorkflowKind
    data: Mapping[str, Any]
    extra_pnginfo: Mapping[str, Any] = field(default_factory=dict)


def read_workflow(path: Path) -> WorkflowFile:
    """The workflow in a file. Of a picture with both forms inside, the API form: it is what made the picture.

    Raises:
        WorkflowFileError: see the tree above.
    """
    try:
        with path.open("rb") as file:
            head = file.read(12)
            file.seek(0)
            if head.startswith(png_texts.SIGNATURE):
                return _from_texts(path, _png_texts(path, file))
            known = head.startswith(JPEG_START) or (head.startswith(RIFF) and head[8:] == WEBP)
            if known or path.suffix.lower() in IMAGE_SUFFIXES:
                return _from_texts(path, _exif_texts(path, known))
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UnreadableFile(path, f"it can't be read ({error.strerror or error})") from error
    return parse_workflow(content, path)


def parse_workflow(content: bytes, path: Path) -> WorkflowFile:
    """The workflow in a JSON text; ``path`` is named in errors.

    A request as posted to the server, ``{"prompt": …, "extra_data": …}``, counts as API format.

    Raises:
        WorkflowFileError: see the tree above.
    """
    if len(content) > MAX_BYTES:
        raise TooLarge(path, f"it is larger than {MAX_BYTES:,} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NoWorkflow(path, f"it is neither a picture nor text (byte {error.start} is no UTF-8)") from error
    data = _parsed(path, "it", text)
    if not isinstance(data, dict):
        raise NoWorkflow(path, f"its JSON is a {type(data).__name__}, not an object of nodes")
    if _is_ui(data):
        return WorkflowFile(WorkflowKind.UI, data, {"workflow": data})
    if _is_api(prompt := data.get("prompt")):
        extra = data.get("extra_data")
        info = extra.get("extra_pnginfo") if isinstance(extra, dict) else None
        return WorkflowFile(WorkflowKind.API, _without_traces(prompt), info if isinstance(info, dict) else {})
    if _is_api(data):
        return WorkflowFile(WorkflowKind.API, _without_traces(data))
    raise NoWorkflow(path, 'its JSON has neither a list of "nodes" nor nodes with a "class_type"')


def _png_texts(path: Path, file: IO[bytes]) -> Mapping[str, str]:
    try:
        found = png_texts.read_texts(file, MAX_BYTES)
    except png_texts.TextTooLarge as error:
        raise TooLarge(path, str(error)) from error
    if found.damage and not {"prompt", "workflow"} & found.texts.keys():
        raise DamagedImage(path, f"the PNG is damaged: {found.damage}")
    return found.texts


def _exif_texts(path: Path, known: bool) -> dict[str, str]:
    """Texts of the form ``key:{json}`` in a picture's EXIF tags, by key."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            values = [value for value in image.getexif().values() if isinstance(value, str)]
    except UnidentifiedImageError as error:
        if known:
            raise DamagedImage(path, "the picture is cut off or damaged") from error
        raise NotAnImage(path, "its name is a picture's, but its content is none") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise DamagedImage(path, f"the picture is damaged ({error})") from error
    pairs = (value.partition(":") for value in values)
    return {key: text.rstrip("\0") for key, colon, text in pairs if colon and text.lstrip()[:1] in ("{", "[", '"')}


def _from_texts(path: Path, texts: Mapping[str, str]) -> WorkflowFile:
    prompt = _embedded(path, texts, "prompt")
    workflow = _embedded(path, texts, "workflow")
    extra = {"workflow": workflow} if workflow is not None else {}
    if (record := _embedded(path, texts, KEY)) is not None:
        extra[KEY] = record
    if _is_api(prompt):
        return WorkflowFile(WorkflowKind.API, _without_traces(prompt), extra)
    if isinstance(workflow, dict) and _is_ui(workflow):
        return WorkflowFile(WorkflowKind.UI, workflow, extra)
    if _is_api(workflow):
        return WorkflowFile(WorkflowKind.API, _without_traces(workflow))
    raise NoWorkflow(path, "it is a picture without a workflow inside; many programs drop it when they save a picture")


def _embedded(path: Path, texts: Mapping[str, str], key: str) -> Any:
    """The parsed text of that key; None where it is missing or, as other programs have it, plain words."""
    text = texts.get(key, "")
    return _parsed(path, f"its embedded {key}", text) if text.lstrip().startswith("{") else None


def _parsed(path: Path, where: str, text: str) -> Any:
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise BrokenJson(path, where, error.msg, error.lineno, error.colno) from error
    except RecursionError as error:
        raise TooDeep(path, f"{where} is nested more than {MAX_DEPTH} levels deep") from error
    except ValueError as error:  # a number with thousands of digits
        raise NoWorkflow(path, f"{where} holds a value that can't be read ({error})") from error
    if _depth_exceeds(data, MAX_DEPTH):
        raise TooDeep(path, f"{where} is nested more than {MAX_DEPTH} levels deep")
    return data


def _depth_exceeds(data: Any, limit: int) -> bool:
    level = [data] if isinstance(data, dict | list) else []
    for _ in range(limit):
        inner = [item.values() if isinstance(item, dict) else item for item in level]
        level = [value for items in inner for value in items if isinstance(value, dict | list)]
        if not level:
            return False
    return True


def _is_ui(data: Mapping[str, Any]) -> bool:
    return isinstance(data.get("nodes"), list)


def _is_api(data: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(data, dict) and any(isinstance(node, dict) and "class_type" in node for node in data.values())


def _without_traces(prompt: Mapping[str, Any]) -> dict[str, Any]:
    """The prompt without what an earlier run noted in its nodes to know whether their files have changed."""
    return {
        key: {name: value for name, value in node.items() if name != "is_changed"} if isinstance(node, dict) else node
        for key, node in prompt.items()
    }
