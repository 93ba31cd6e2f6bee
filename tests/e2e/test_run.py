"""``comfy-nodes run`` with a real model, in processes of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.command_line import CommandLine, Ended, drawn, text_to_image, write_json

pytestmark = pytest.mark.e2e


def picture(run: Ended) -> tuple[bytes, dict[str, Any]]:
    """The pixels of the one file that a run told of in JSON, and what is embedded in it."""
    assert run.code == 0, run.err
    (path,) = run.json["files"]
    with Image.open(path) as image:
        return image.tobytes(), {key: json.loads(text) for key, text in image.info.items()}


def test_a_run_says_in_json_what_it_made_and_nothing_else(first_run: Ended, base: Path) -> None:
    assert first_run.code == 0, first_run.err
    told = first_run.json
    assert told["files"] == [str(base / "first" / "picture_00001_.png")]
    assert (told["state"], told["executed"], told["cached"]) == ("succeeded", 7, 0)


def test_libraries_keep_quiet(first_run: Ended) -> None:
    assert first_run.err == ""


def test_changes_from_the_command_line_are_in_the_picture(first_run: Ended) -> None:
    prompt = picture(first_run)[1]["prompt"]
    assert prompt["3"]["inputs"]["seed"] == 42
    assert prompt["6"]["inputs"]["text"] == "a [blue] star, 50% smaller = small"
    assert prompt["5"] == text_to_image()["5"]


def test_a_picture_makes_itself_again(first_run: Ended, comfy_nodes: CommandLine) -> None:
    (path,) = first_run.json["files"]
    again = comfy_nodes("run", path, "--output-dir", "again", "--json")
    assert again.json["files"] != first_run.json["files"]
    assert picture(again) == picture(first_run)


def test_a_drawn_workflow_gives_the_same_picture_and_stays_inside_it(
    first_run: Ended, comfy_nodes: CommandLine, base: Path
) -> None:
    prompt = picture(first_run)[1]["prompt"]
    workflow = drawn(prompt)
    write_json(base / "drawn.json", workflow)
    run = comfy_nodes("run", "drawn.json", "--output-dir", "drawn")
    assert (run.code, run.err) == (0, "")
    (path,) = run.out.splitlines()
    with Image.open(path) as image:
        assert image.tobytes() == picture(first_run)[0]
        assert json.loads(image.info["workflow"]) == workflow


def test_the_picture_shows_more_than_one_colour(first_run: Ended) -> None:
    (path,) = first_run.json["files"]
    with Image.open(path) as image:
        assert image.size == (64, 64)
        assert len(image.getcolors(64 * 64)) > 16
