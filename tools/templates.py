"""Draw the examples for the graph editor's gallery: ``python -m tools.templates`` writes ``examples/templates``.

The workflows there are those of ``examples/`` in the format in which the editor saves them, laid out in columns;
``index.json`` has their titles, and each has a thumbnail out of ``docs/gallery``. ``comfy-nodes serve`` offers them
where ``examples`` lies in the base folder.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from host.app import create_host
from host.engine.catalogue import Schemas
from host.engine.graph import is_link
from host.engine.ui_format.widgets import WIDGET_TYPES
from host.settings import load_settings
from sdk.nodes import Input, NodeType
from tools.gallery import ENTRIES, PICTURES, Entry

EXAMPLES = Path("examples")
TEMPLATES = EXAMPLES / "templates"
COLUMN, GAP, LINE, TOP, WIDTH = 380, 50, 26, 40, 300
TEXT_BOX, PICTURE = 110, 260
THUMBNAIL = 384
UPLOADS = ("image_upload", "video_upload", "audio_upload")


def main() -> None:
    """Write the templates of every example in the gallery."""
    TEMPLATES.mkdir(exist_ok=True)
    schemas = create_host(
        load_settings({"models_dir": "models", "safe_mode": True}, {}, Path.cwd())
    ).catalogue.current()
    for entry in ENTRIES:
        prompt = json.loads((EXAMPLES / f"{entry.name}.json").read_text(encoding="utf-8"))
        write_json(TEMPLATES / f"{entry.name}.json", drawn(prompt, schemas))
        picture = max(path for path in PICTURES.glob(f"{entry.name}*.png") if _shows(path, entry.name))
        with Image.open(picture) as image:
            thumbnail = image.convert("RGB")
            thumbnail.thumbnail((THUMBNAIL, THUMBNAIL))
            thumbnail.save(TEMPLATES / f"{entry.name}-1.webp", quality=85)
    write_json(TEMPLATES / "index.json", index())
    print(f"{TEMPLATES}: {len(ENTRIES)} templates")


def index() -> list[dict[str, Any]]:
    """The gallery's list, as the editor reads it."""
    templates = [
        {
            "name": entry.name,
            "title": entry.title,
            "description": plain_text(entry),
            "mediaType": "image",
            "mediaSubtype": "webp",
        }
        for entry in ENTRIES
    ]
    facts = {"moduleName": "default", "title": "Examples", "type": "image", "isEssential": True}
    return [{**facts, "templates": templates}]


def plain_text(entry: Entry) -> str:
    """What the example shows, without Markdown and without where it was trained."""
    return re.sub(r" \(`[^)]*\)|`", "", entry.text)


def drawn(prompt: Mapping[str, Any], schemas: Schemas) -> dict[str, Any]:
    """A prompt in API format, its nodes with whole numbers as ids, as the editor saves what it draws."""
    links: list[list[Any]] = []
    columns = _columns(prompt)
    nodes = [
        _node(node_id, entry, schemas, links, columns, number) for number, (node_id, entry) in enumerate(prompt.items())
    ]
    _place(nodes, columns)
    for node in nodes:
        for slot, output in enumerate(node["outputs"]):
            output["links"] = [link[0] for link in links if link[1:3] == [node["id"], slot]]
    facts = {"last_node_id": max(node["id"] for node in nodes), "last_link_id": len(links)}
    return {**facts, "nodes": nodes, "links": links, "groups": [], "config": {}, "extra": {}, "version": 0.4}


def _columns(prompt: Mapping[str, Any]) -> dict[str, int]:
    """How many links lead to a node at most, one after the other."""
    columns = dict.fromkeys(prompt, 0)
    for _ in prompt:
        for node_id, entry in prompt.items():
            sources = [value[0] for value in entry["inputs"].values() if is_link(value)]
            columns[node_id] = max((columns[source] + 1 for source in sources), default=0)
    return columns


def _node(
    node_id: str,
    entry: Mapping[str, Any],
    schemas: Schemas,
    links: list[list[Any]],
    columns: Mapping[str, int],
    number: int,
) -> dict[str, Any]:
    schema = schemas.get(entry["class_type"])
    given = entry["inputs"]
    sockets = [item for item in schema.inputs if not _has_widget(item) or is_link(given.get(item.name))]
    inputs: list[dict[str, Any]] = []
    for item in sockets:
        shown: dict[str, Any] = {"name": item.name, "type": item.type, "link": None}
        if is_link(value := given.get(item.name)):
            links.append([len(links) + 1, int(value[0]), value[1], int(node_id), len(inputs), item.type])
            shown["link"] = len(links)
        if _has_widget(item):
            shown["widget"] = {"name": item.name}
        inputs.append(shown)
    widgets = [item for item in schema.inputs if _has_widget(item)]
    title = entry.get("_meta", {}).get("title")
    return {
        "id": int(node_id),
        "type": schema.id,
        **({"title": title} if title else {}),
        "pos": [columns[node_id] * COLUMN, 0],
        "size": [WIDTH, _height(schema, len(sockets), widgets)],
        "flags": {},
        "order": number,
        "mode": 0,
        "inputs": inputs,
        "outputs": [{"name": output.name, "type": output.type, "links": []} for output in schema.outputs],
        "properties": {"Node name for S&R": schema.id},
        "widgets_values": [value for item in widgets for value in _values(item, given)],
    }


def _has_widget(item: Input) -> bool:
    return item.type in WIDGET_TYPES and not item.option("forceInput")


def _values(item: Input, given: Mapping[str, Any]) -> list[Any]:
    """The value of a widget, and those of what the editor puts beside it."""
    value = given.get(item.name, item.default)
    value = item.default if is_link(value) else value
    if item.type == "INT" and item.option("control_after_generate", item.name in ("seed", "noise_seed")):
        return [value, "fixed"]
    return [value, "image"] if any(item.option(name) for name in UPLOADS) else [value]


def _height(schema: NodeType, sockets: int, widgets: list[Input]) -> int:
    boxes = sum(bool(item.option("multiline")) for item in widgets)
    pictures = schema.output_node or any(item.option(name) for item in widgets for name in UPLOADS)
    lines = max(sockets, len(schema.outputs)) + len(widgets) + 1
    return TOP + LINE * lines + TEXT_BOX * boxes + PICTURE * pictures


def _place(nodes: list[dict[str, Any]], columns: Mapping[str, int]) -> None:
    """Put the nodes of a column below each other."""
    bottoms = dict.fromkeys(columns.values(), 0)
    for node in nodes:
        column = columns[str(node["id"])]
        node["pos"][1] = bottoms[column]
        bottoms[column] += node["size"][1] + GAP


def _shows(path: Path, name: str) -> bool:
    return re.fullmatch(rf"{name}(_\d+)?", path.stem) is not None


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
