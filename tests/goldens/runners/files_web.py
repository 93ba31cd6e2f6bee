"""``F_files``: requests to the web API, sent to a real server with a base folder like the recorded one."""

from __future__ import annotations

import io
import json
import secrets
import shutil
import struct
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors import safe_open

from tests.support.live_server import Answer, LiveServer, make_host, start

POSTED = {
    "free": {"unload_models": True, "free_memory": True},
    "queue_clear": {"clear": True},
    "queue_delete_unknown": {"delete": ["no-such-id"]},
    "history_delete_unknown": {"delete": ["no-such-id"]},
    "history_clear": {"clear": True},
}
"""Bodies of the recorded requests whose record leaves them out."""

LOSSY = 24
"""Mean difference of 8-bit values that another version of a lossy codec may make."""


def check(folder: Path, part: str, name: str) -> None:
    """Send the recorded request, after those before it where they leave files, and compare the answers."""
    server = _server(folder)
    every = _cases(folder, part)
    index = next(i for i, case in enumerate(every) if case["id"] == name)
    _fresh_folders(server.base, folder)
    if part == "upload":
        for earlier in every[:index]:
            _send(server, earlier, folder)
    _compare(_send(server, every[index], folder), every[index], folder, f"{part}/{name}")
    if "files_named_up_after" in every[index]:
        assert _named_up(server.base) == every[index]["files_named_up_after"]


@cache
def _cases(folder: Path, part: str) -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = json.loads((folder / f"{part}.json").read_text(encoding="utf-8"))["cases"]
    return cases


@cache
def _server(folder: Path) -> LiveServer:
    """One for all cases of a folder; it ends with the process."""
    base = Path(tempfile.mkdtemp(prefix="comfy-nodes-"))
    return start(make_host(base))[0]


def _fresh_folders(base: Path, folder: Path) -> None:
    for name in ("input", "output", "temp", "models"):
        shutil.rmtree(base / name, ignore_errors=True)
    shutil.copytree(folder / "input", base / "input")
    for target, source in (("output/out1.png", "rgb"), ("output/sd/deep.png", "rgba"), ("temp/tmp1.png", "rgb")):
        (base / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(base / "input" / f"{source}.png", base / target)
    loras = base / "models" / "loras"
    loras.mkdir(parents=True)
    _write_model(loras / "with_meta.safetensors", {"n": "1", "k": "v"})
    _write_model(loras / "no_meta.safetensors", None)


def _write_model(path: Path, metadata: Mapping[str, str] | None) -> None:
    entries: dict[str, Any] = {"__metadata__": metadata} if metadata else {}
    header = json.dumps(entries | {"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))


def _send(server: LiveServer, case: Mapping[str, Any], folder: Path) -> Answer:
    headers = dict(case.get("request_headers", {}))
    body: bytes | None = json.dumps(POSTED[case["id"]]).encode() if case["id"] in POSTED else None
    if case.get("form"):
        boundary = secrets.token_hex(8)
        headers["Content-Type"] = f"multipart/form-data; boundary={boundary}"
        body = _form(case["form"], boundary, folder)
    path = case["path"].replace("\\", "%5C")
    return server.request(case["method"], path, body, headers)


def _form(fields: list[dict[str, str]], boundary: str, folder: Path) -> bytes:
    parts = []
    for field in fields:
        head = f'Content-Disposition: form-data; name="{field["name"]}"'
        content = field.get("value", "").encode()
        if "file" in field:
            head += f'; filename="{field["file"]}"\r\nContent-Type: application/octet-stream'
            content = (folder / "input" / field["from"]).read_bytes() if "from" in field else b""
        parts.append(f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode()


def _compare(ours: Answer, case: Mapping[str, Any], folder: Path, key: str) -> None:
    if case["status"] == 500:  # a fault of the reference; ours says that the request was at fault
        assert ours.status == 400
        return
    assert ours.status == case["status"]
    for name, value in case["headers"].items():
        assert ours.headers.get(name.lower()) == value, name
    if not case["headers"] and not case.get("body_text"):
        assert "content-type" not in ours.header_names
    if "image" in case:
        _compare_pictures(ours.body, case, folder, key)
    elif "json" in case:
        _compare_json(ours.json, case["json"])
    elif case["method"] != "HEAD":
        assert len(ours.body) == case["bytes"]
        assert ours.body.decode("utf-8", "replace") == case["body_text"] or key.endswith(".tga")


def _compare_pictures(body: bytes, case: Mapping[str, Any], folder: Path, key: str) -> None:
    with Image.open(io.BytesIO(body)) as picture:
        expected = case["image"]
        assert (picture.format, picture.mode, list(picture.size)) == (
            expected["format"],
            expected["mode"],
            expected["size"],
        )
        pixels = np.array(picture if picture.mode in ("RGB", "RGBA", "L") else picture.convert("RGBA"))
    with safe_open(folder / "files.safetensors", "np") as file:
        recorded = file.get_tensor(key)
    if case["note"].startswith("lossy") or picture.format in ("WEBP", "JPEG"):
        assert np.abs(pixels.astype(float) - recorded.astype(float)).mean() < LOSSY
    else:
        np.testing.assert_array_equal(pixels, recorded)


def _compare_json(ours: Any, theirs: Any) -> None:
    if isinstance(theirs, str) and theirs.startswith("list of "):
        assert ours
        assert all(isinstance(name, str) for name in ours)
    elif isinstance(theirs, dict) and "system_keys" in theirs:
        assert set(theirs["system_keys"]) <= ours["system"].keys()
        assert set(theirs["device_keys"]) <= ours["devices"][0].keys()
        assert theirs["device0"].items() <= ours["devices"][0].items()
    elif isinstance(theirs, list) and "checkpoints" in theirs:
        assert set(theirs) <= set(ours)
        assert ours == sorted(ours)
    else:
        assert _without_own_words(ours) == _without_own_words(theirs)


def _without_own_words(value: Any) -> Any:
    """The value without descriptions and tooltips of nodes, whose words are each host's own."""
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key not in ("tooltip", "description", "output_tooltips")}
        return {key: _without_own_words(item) for key, item in kept.items()}
    return [_without_own_words(item) for item in value] if isinstance(value, list) else value


def _named_up(base: Path) -> dict[str, list[str]]:
    found = {}
    for root in ("input", "temp", "output"):
        paths = (path.relative_to(base / root).as_posix() for path in (base / root).rglob("*") if path.is_file())
        found[root] = sorted(path for path in paths if path.startswith("up"))
    return found
