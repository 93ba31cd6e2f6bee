"""Workflows that can't run: the message names node, pack, input and remedy, and the exit code says which kind it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.host.cli.conftest import Command
from tests.support.command_line import drawn, node, plain_picture, text_to_image, write_json

SAMPLER = "node 3 (KSampler, pack core 0.1.0), input "
LOADER = "node 4 (CheckpointLoaderSimple, pack core 0.1.0), input ckpt_name: "


def workflow(**changes: Any) -> dict[str, Any]:
    """The text-to-image workflow with inputs changed: ``_3_seed=1``; None takes an input away."""
    prompt = text_to_image()
    for place, value in changes.items():
        node_id, name = place[1:].split("_", 1)
        inputs = prompt[node_id]["inputs"]
        inputs[name] = value
        if value is None:
            del inputs[name]
    return prompt


REJECTED = {
    "a wrong sampler": (
        workflow(_3_sampler_name="eulr"),
        SAMPLER + "sampler_name: 'eulr' is no choice. Did you mean euler",
    ),
    "nothing like a sampler": (workflow(_3_sampler_name="???"), "'???' is no choice. There are: "),
    "too few steps": (workflow(_3_steps=0), SAMPLER + "steps: 0 is out of range. Give at least 1 and at most 10000."),
    "too much guidance": (workflow(_3_cfg=1e9), SAMPLER + "cfg: 1000000000.0 is out of range."),
    "words for a number": (workflow(_3_steps="many"), SAMPLER + "steps: 'many' is no INT. Give a value of that type."),
    "a missing model": (
        workflow(_4_ckpt_name="other.safetensors"),
        LOADER + "there is no file 'other.safetensors' in the models folder 'checkpoints' (--models-dir). "
        "There are: tiny.safetensors.",
    ),
    "a missing link": (
        workflow(_3_positive=None),
        SAMPLER + "positive: it is needed and not linked. Link it to an output of type CONDITIONING.",
    ),
    "a missing value": (workflow(_3_steps=None), SAMPLER + "steps: it is needed and not there. Give it in"),
    "a link to nowhere": (workflow(_3_positive=["99", 0]), "input positive is linked to node 99, which is not in the"),
    "a link to an output that is not there": (
        workflow(_3_positive=["4", 7]),
        "node 3 (KSampler, pack core 0.1.0): input positive is linked to output 7 of node 4 (CheckpointLoaderSimple, "
        "pack core 0.1.0). It has: 0 (MODEL), 1 (CLIP), 2 (VAE). Link the input to one of these.",
    ),
    "a link to a node without outputs": (
        workflow(_3_positive=["9", 0]),
        "input positive is linked to output 0 of node 9 (SaveImage, pack core 0.1.0). It has none; link another node.",
    ),
    "a link of another type": (
        workflow(_3_positive=["4", 0]),
        SAMPLER + "positive: it takes CONDITIONING, but is linked to an output of node 4 that gives MODEL.",
    ),
    "half a link": (workflow(_3_positive=["4"]), SAMPLER + "positive: ['4'] is no link. Write a link as [node id,"),
    "a circle": (
        workflow(_3_latent_image=["3", 0]),
        "links lead round in a circle: node 3 (KSampler, pack core 0.1.0) -> node 3 (KSampler, pack core 0.1.0). "
        "Remove one of them.",
    ),
    "no outputs": (
        {"5": text_to_image()["5"]},
        "nothing in it saves or shows a result. Add a node that does, such as SaveImage.",
    ),
    "a missing picture": (
        {"1": node("LoadImage", image="nope.png"), "2": node("PreviewImage", images=["1", 0])},
        "node 1 (LoadImage, pack core 0.1.0), input image: Invalid image file: nope.png. "
        "Put the file into the input folder (--input-dir), or name one that is there.",
    ),
    "a misspelled node": (
        {"1": node("KSamplr")},
        "node 1: 'KSamplr'; did you mean KSampler",
    ),
}


@pytest.mark.parametrize("name", REJECTED)
def test_what_is_wrong_is_said_in_words(command: Command, name: str) -> None:
    prompt, said = REJECTED[name]
    ended = command("run", write_json(command.base / "workflow.json", prompt))
    assert (ended.code, ended.out) == (4, "")
    assert said in ended.err


def test_every_fault_is_told_in_json_too(command: Command) -> None:
    write_json(command.base / "workflow.json", workflow(_3_steps=0, _4_ckpt_name="other.safetensors"))
    ended = command("run", "workflow.json", "--json")
    error = ended.json["error"]
    assert (ended.code, ended.json["state"], error["type"]) == (4, "failed", "PromptRejected")
    assert set(error["node_errors"]) == {"3", "4"}
    assert SAMPLER + "steps" in error["message"]
    assert LOADER in error["message"]


def test_unknown_nodes_are_named_together_with_the_packs_the_editor_noted(command: Command) -> None:
    chain = {"1": node("Mystery"), "2": node("Mystery", x=["1", 0]), "3": node("Riddle", x=["2", 0])}
    graph = drawn(chain)
    graph["nodes"][0]["properties"] = {"cnr_id": "mystery-pack", "ver": "1.2.0"}
    ended = command("run", write_json(command.base / "workflow.json", graph), "--json")
    assert ended.code == 4
    assert "node 1, 2: 'Mystery', which the workflow says comes from pack mystery-pack 1.2.0" in ended.err
    assert "node 3: 'Riddle'\n" in ended.err
    assert ended.json["error"]["nodes"] == {"Mystery": ["1", "2"], "Riddle": ["3"]}


def test_a_pack_that_failed_is_named_beside_unknown_nodes(command: Command) -> None:
    pack = command.base / "broken"
    pack.mkdir()
    (pack / "__init__.py").write_text("import a_package_nobody_has\nNODE_CLASS_MAPPINGS = {}\n")
    write_json(command.base / "workflow.json", {"1": node("Mystery")})
    ended = command("run", "workflow.json", "--pack-dir", pack)
    assert ended.code == 4
    assert "pack broken could not be loaded and may have them: it needs the Python package" in ended.err


UNREADABLE = {
    "an empty file": (b"", "it is broken JSON"),
    "no JSON": (b"{ this is not JSON", "it is broken JSON: Expecting property name"),
    "JSON that is no workflow": (b'{"a": 1}', 'neither a list of "nodes" nor nodes with a "class_type"'),
    "a list": (b"[1, 2]", "its JSON is a list, not an object of nodes"),
    "bytes": (b"\xff\xfe\x00\x01", "it is neither a picture nor text"),
    "a pit": (b'{"a":' * 100_000, "it is nested more than 100 levels deep"),
    "a closed pit": (b'{"1":{"class_type":"X","inputs":' + b"[" * 500 + b"]" * 500 + b"}}", "100 levels deep"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_without_a_workflow_is_named(command: Command, name: str) -> None:
    content, said = UNREADABLE[name]
    (command.base / "workflow.json").write_bytes(content)
    ended = command("run", "workflow.json", "--json")
    assert ended.code == 3
    assert ended.err.startswith("error: workflow.json: ")
    assert said in ended.err
    assert said in ended.json["error"]["message"]


def test_a_picture_without_a_workflow_is_named(command: Command) -> None:
    Image.new("RGB", (4, 4)).save(command.base / "plain.png")
    ended = command("run", "plain.png")
    assert ended.code == 3
    assert "plain.png: it is a picture without a workflow inside" in ended.err


def test_a_file_that_is_not_there_is_named(command: Command) -> None:
    ended = command("run", "nowhere.json")
    assert (ended.code, ended.err) == (
        3,
        "error: nowhere.json: it can't be read (No such file or directory). Check the path and its permissions.\n",
    )


def test_a_target_that_is_no_output_is_named_with_those_there_are(command: Command) -> None:
    write_json(command.base / "workflow.json", text_to_image())
    ended = command("run", "workflow.json", "--target", "3")
    assert (ended.code, ended.err) == (3, "error: --target 3: the workflow has no such output node; it has: 9\n")


@pytest.mark.parametrize("seed", ["[" * 100_000, "9" * 5000, '"' + "\ud800"], ids=["a pit", "many digits", "surrogate"])
def test_absurd_values_are_refused(command: Command, seed: str) -> None:
    write_json(command.base / "workflow.json", text_to_image())
    ended = command("run", "workflow.json", "--set", f"3.seed={seed}")
    assert ended.code == 3
    assert "is no INT; give 42" in ended.err


def test_a_folder_that_can_not_be_written_to_is_noticed_before_anything_is_computed(
    command: Command, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    ended = command("run", write_json(tmp_path / "plain.json", plain_picture()), "--output-dir", tmp_path / "file/out")
    assert (ended.code, ended.out) == (4, "")
    assert f"Can't use the folder {tmp_path}/file/out: {tmp_path}/file is a file." in ended.err


def test_a_workflow_that_saves_nothing_needs_no_folder_for_it(command: Command, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    shown = plain_picture() | {"2": node("PreviewImage", images=["1", 0])}
    ended = command("run", write_json(tmp_path / "shown.json", shown), "--output-dir", tmp_path / "file/out")
    assert (ended.code, ended.err) == (0, "")


def test_outputs_that_can_run_do_and_the_others_are_named(command: Command, tmp_path: Path) -> None:
    prompt = {
        "1": node("EmptyImage", width=8, height=8, batch_size=1, color=0),
        "2": node("SaveImage", images=["1", 0], filename_prefix="fine"),
        "3": node("LoadImage", image="nope.png"),
        "4": node("SaveImage", images=["3", 0], filename_prefix="broken"),
    }
    ended = command("run", write_json(tmp_path / "workflow.json", prompt), "--json")
    assert (ended.code, ended.json["state"]) == (4, "succeeded")
    assert [Path(name).name for name in ended.json["files"]] == ["fine_00001_.png"]
    assert ended.err.startswith("left out: node 3 (LoadImage, pack core 0.1.0), input image: ")
    assert json.dumps(ended.json["node_errors"]).count("nope.png") > 0
