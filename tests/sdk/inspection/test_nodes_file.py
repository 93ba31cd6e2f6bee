from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdk.inspection import inspect_pack
from sdk.inspection.nodes_file import disagreements, render, sources_digest

SAMPLES = Path(__file__).parents[3] / "sample_plugins"
PAGE = Path(__file__).parents[3] / "docs" / "nodes_json.md"


@pytest.fixture(scope="module")
def document() -> bytes:
    return render(SAMPLES / "palette")


def test_the_file_says_what_static_reading_gives(document: bytes) -> None:
    assert disagreements(document, inspect_pack(SAMPLES / "palette")) == ()
    data = json.loads(document)
    assert (data["format"], data["pack"], data["kind"], data["complete"]) == (1, "palette", "sdk", True)
    node = data["nodes"]["ApplyPalette"]
    assert node["aliases"] == ["QuantizeToPalette"]
    assert node["reference"] == "palette.nodes:apply_palette"
    assert node["schema"]["python_module"] == "palette.nodes"


def test_every_key_is_documented(document: bytes) -> None:
    text = PAGE.read_text(encoding="utf-8")
    data = json.loads(document)
    for key in (*data, *data["nodes"]["ApplyPalette"]):
        assert f"`{key}`" in text


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda nodes: nodes.pop("ShowPalette"), "it lacks 'ShowPalette'"),
        (lambda nodes: nodes.update(Ghost=nodes["ShowPalette"]), "it lists 'Ghost', which the code does not show"),
        (lambda nodes: nodes["ShowPalette"].update(code="0"), "it says something else of 'ShowPalette'"),
        (lambda nodes: nodes["ShowPalette"]["schema"].update(output=[]), "it says something else of 'ShowPalette'"),
    ],
)
def test_a_file_that_says_something_else_is_not_believed(document: bytes, change: object, problem: str) -> None:
    data = json.loads(document)
    change(data["nodes"])  # type: ignore[operator]
    assert disagreements(json.dumps(data).encode(), inspect_pack(SAMPLES / "palette")) == (problem,)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"nodes": 1}', b'{"nodes": {"A": {}}}', b"\xff", b"[" * 100_000]
)
def test_a_file_of_another_format_is_not_believed(content: bytes) -> None:
    assert disagreements(content, inspect_pack(SAMPLES / "palette")) == ("it is not of the format",)


def test_the_digest_of_the_sources_changes_with_them(tmp_path: Path) -> None:
    first, second = tmp_path / "a.py", tmp_path / "b.py"
    first.write_text("1")
    second.write_text("2")
    digests = {
        sources_digest({"a.py": first}),
        sources_digest({"b.py": first}),
        sources_digest({"a.py": second}),
        sources_digest({"a.py": first, "b.py": second}),
    }
    assert len(digests) == 4
    assert sources_digest({"a.py": first, "notes.md": second}) == sources_digest({"a.py": first})
