"""The templates of the editor's gallery are the examples, drawn."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from host.app import create_host
from host.engine.catalogue import Schemas
from host.engine.ui_format.conversion import to_api
from host.settings import load_settings
from tools.gallery import ENTRIES
from tools.templates import drawn, index

ROOT = Path(__file__).parents[2]
EXAMPLES, TEMPLATES = ROOT / "examples", ROOT / "examples" / "templates"


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Schemas:
    base = tmp_path_factory.mktemp("base")
    flags = {"base_dir": base, "models_dir": ROOT / "models", "input_dir": EXAMPLES / "input", "safe_mode": True}
    return create_host(load_settings(flags, {}, base)).catalogue.current()


@pytest.mark.parametrize("name", [entry.name for entry in ENTRIES])
def test_a_template_is_its_example(name: str, schemas: Schemas) -> None:
    template = json.loads((TEMPLATES / f"{name}.json").read_bytes())
    example = json.loads((EXAMPLES / f"{name}.json").read_bytes())
    converted = to_api(template, schemas)
    assert {key: node["class_type"] for key, node in converted.items()} == {
        key: node["class_type"] for key, node in example.items()
    }
    for key, node in example.items():
        assert {name: converted[key]["inputs"][name] for name in node["inputs"]} == node["inputs"]


def test_nodes_do_not_lie_on_each_other(schemas: Schemas) -> None:
    for path in EXAMPLES.glob("*.json"):
        nodes = drawn(json.loads(path.read_bytes()), schemas)["nodes"]
        boxes = [
            (*node["pos"], *(at + size for at, size in zip(node["pos"], node["size"], strict=True))) for node in nodes
        ]
        for number, (left, top, right, bottom) in enumerate(boxes):
            for other in boxes[number + 1 :]:
                assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


def test_every_example_is_listed_with_a_thumbnail() -> None:
    said = json.loads((TEMPLATES / "index.json").read_bytes())
    assert said == index()
    names = [template["name"] for template in said[0]["templates"]]
    assert sorted(names) == sorted(path.stem for path in EXAMPLES.glob("*.json"))
    assert all((TEMPLATES / f"{name}-1.webp").is_file() for name in names)
