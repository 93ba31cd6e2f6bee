"""``F_files``: pictures read, pictures saved, and the requests around them (``files_web.py``)."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors import safe_open

from host.builtin_nodes.images import animations, compositing, filters, loaders, making, savers
from host.builtin_nodes.latents import files as latent_files
from host.builtin_nodes.latents import sizes as latents
from host.builtin_nodes.video import nodes as videos
from host.engine.outcome import RunState
from host.folders import LocalFolders
from sdk import NodeError
from tests.goldens.runners import Unimplemented, files_web
from tests.support.lone_host import LoneHost
from tests.support.node_context import NoModels, context_in
from tests.support.png_chunks import png_chunks

PLUGINS = (loaders, savers, animations, making, compositing, filters, latents, latent_files, videos)
WEB = ("view", "upload", "routes")
COMBOS = {"load_image_combo": loaders.load_image, "load_image_mask_combo": loaders.load_image_mask}
RANDOM_NAME = re.compile(r"(ComfyUI_temp_)[a-z]{5}(_\d+_\.png)")


def cases(folder: Path) -> list[str]:
    load = _read(folder, "load")
    names = [f"combo/{name}" for name in COMBOS]
    for case in load["cases"]:
        channel = f"/{case['channel']}" if "channel" in case else ""
        names.append(f"{'loadmask' if channel else 'load'}/{case['file']}{channel}")
    for part in ("save", *WEB):
        names += [f"{part}/{case['id']}" for case in _read(folder, part)["cases"]]
    return names


def run(folder: Path, name: str, tmp_path: Path) -> None:
    part, _, rest = name.partition("/")
    if part in WEB:
        files_web.check(folder, part, rest)
        return
    shutil.copytree(folder / "input", tmp_path / "input")
    if part == "combo":
        _check_combo(folder, rest, tmp_path)
    elif part == "save":
        _check_save(folder, rest, tmp_path)
    else:
        _fill_folders(tmp_path)
        _check_load(folder, part, rest, tmp_path)


def _read(folder: Path, part: str) -> dict[str, Any]:
    return json.loads((folder / f"{part}.json").read_text())


def _tensor(folder: Path, key: str) -> np.ndarray:
    with safe_open(folder / "files.safetensors", "np") as file:
        return file.get_tensor(key)


def _fill_folders(base: Path) -> None:
    """The files that the reference's other folders held (``server_files`` in view.json)."""
    for target, source in (("output/out1.png", "rgb"), ("output/sd/deep.png", "rgba"), ("temp/tmp1.png", "rgb")):
        (base / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(base / "input" / f"{source}.png", base / target)


def _check_combo(folder: Path, name: str, base: Path) -> None:
    source = COMBOS[name].inputs[0].choices
    assert isinstance(source, str)
    assert list(context_in(base).folders.choices(source)) == _read(folder, "load")[name]


def _check_load(folder: Path, part: str, rest: str, base: Path) -> None:
    file, _, channel = rest.rpartition("/") if part == "loadmask" else (rest, "", None)
    case = next(c for c in _read(folder, "load")["cases"] if c["file"] == file and c.get("channel") == channel)
    context = context_in(base)
    node = loaders.load_image_mask if channel else loaders.load_image
    inputs = {"image": file, **({"channel": channel} if channel else {})}
    try:
        result = node.run(None, inputs, context)
    except NodeError:
        assert "error" in case
        return
    assert "error" not in case
    keys = [f"loadmask/{file}/{channel}"] if channel else [f"load/{file}/image", f"load/{file}/mask"]
    for key, output in zip(keys, result.outputs, strict=True):
        np.testing.assert_array_equal(output.numpy(), _tensor(folder, key), err_msg=key)


def _check_save(folder: Path, name: str, base: Path) -> None:
    earlier, case = _save_case(folder, name)
    request = case["request"]
    folders = LocalFolders(base, NoModels(), now=lambda: datetime(*case["run_at"]))
    host = LoneHost([node for plugin in PLUGINS for node in plugin.register_nodes()], folders)
    if unknown := {node["class_type"] for node in request["prompt"].values()} - host.node_ids:
        raise Unimplemented(f"nodes {', '.join(sorted(unknown))}")
    if before := next((b["request"] for b in earlier if b["request"]["prompt"] == request["prompt"]), None):
        assert host.run(before).state is RunState.SUCCEEDED
    _put_earlier_files(base, earlier, case)
    there = _files(base)
    outcome = host.run(request)
    ended = {RunState.SUCCEEDED: "success", RunState.FAILED: "error"}[outcome.state]
    assert ended == case["history_status"], outcome.failure
    shown = {node_id: ui.output for node_id, ui in outcome.ui.items()}
    assert _plain_names(shown) == _plain_names(case["ui"])
    assert _plain_names(sorted(_files(base) - there)) == _plain_names(sorted(case["new_files"]))
    for new, expected in zip(sorted(_files(base) - there), sorted(case["files"]), strict=True):
        _check_file(base / new, case["files"][expected], folder, f"save/{name}/{expected}")


def _save_case(folder: Path, name: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The cases before the one of that name, which left their files, and itself."""
    every = _read(folder, "save")["cases"]
    index = next(i for i, case in enumerate(every) if case["id"] == name)
    return every[:index], every[index]


def _put_earlier_files(base: Path, earlier: list[dict[str, Any]], case: Mapping[str, Any]) -> None:
    there = [name for before in earlier for name in before["new_files"]]
    if listed := re.fullmatch(r"files already there: (.*)|(\S+) exists", case["note"]):
        there += [f"output/{name}" for name in (listed[1] or listed[2]).split()]
    for name in there:
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).touch()


def _files(base: Path) -> set[str]:
    return {path.relative_to(base).as_posix() for path in base.rglob("*") if path.is_file()}


def _plain_names(value: Any) -> Any:
    """The value with the random letters of preview files taken out."""
    return json.loads(RANDOM_NAME.sub(r"\1?????\2", json.dumps(value)))


def _check_file(path: Path, expected: Mapping[str, Any], folder: Path, key: str) -> None:
    if "safetensors_header" in expected:
        assert _safetensors_header(path) == expected["safetensors_header"]
        return
    if expected.get("bytes_nonzero"):
        assert path.stat().st_size > 0
        return
    with Image.open(path) as image:
        assert (image.format, image.mode, list(image.size)) == (expected["format"], expected["mode"], expected["size"])
        assert getattr(image, "n_frames", 1) == expected["frames"]
        for index, frame in enumerate(_tensor(folder, key)):
            image.seek(index)
            np.testing.assert_array_equal(np.array(image), frame)
        if "exif" in expected:
            said = {str(tag): value for tag, value in image.getexif().items()}
            assert _without_traces(said) == _without_traces(expected["exif"])
    if "chunks" in expected:
        assert _without_traces(png_chunks(path)) == _without_traces(expected["chunks"])


def _safetensors_header(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    return json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])


def _without_traces(value: Any) -> Any:
    """The value without what the reference's cache leaves in the prompt before it is embedded."""
    return json.loads(re.sub(r', \\"is_changed\\": \[[^]]*\]', "", json.dumps(value)))
