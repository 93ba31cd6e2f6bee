"""Every route that clients of ComfyUI use answers as documented, with and without the prefix."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.live_server import LiveServer

JSON = "application/json; charset=utf-8"
SHOWN = {
    "1": {"class_type": "G2Int", "inputs": {"value": 3}},
    "2": {"class_type": "G2Out", "inputs": {"v": ["1", 0]}},
}


def like(**kinds: Any) -> Callable[[Any], bool]:
    """Whether an object has at least these keys with values of these types."""
    return lambda value: all(isinstance(value.get(key), kind) for key, kind in kinds.items())


def lists(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(isinstance(item, kind) for item in value)


@dataclass(frozen=True)
class Case:
    """One request and what its answer is like; ``check`` None stands for an empty body."""

    method: str
    path: str
    status: int = 200
    check: Callable[[Any], bool] | None = None
    body: Any = None
    plain_only: bool = False


SYSTEM = like(os=str, ram_total=int, ram_free=int, comfyui_version=str, python_version=str, argv=list)
DEVICE = like(name=str, type=str, vram_total=int, vram_free=int, torch_vram_total=int, torch_vram_free=int)
PAGES = like(offset=int, limit=int, total=int, has_more=bool)

CASES = [
    Case("GET", "/system_stats", check=lambda v: SYSTEM(v["system"]) and all(map(DEVICE, v["devices"]))),
    Case("GET", "/features", check=like(supports_preview_metadata=bool, max_upload_size=int)),
    Case("GET", "/prompt", check=lambda v: isinstance(v["exec_info"]["queue_remaining"], int)),
    Case("POST", "/prompt", check=like(prompt_id=str, number=int, node_errors=dict), body={"prompt": SHOWN}),
    Case("POST", "/prompt", 400, lambda v: v["error"]["type"] == "no_prompt", {}),
    Case("POST", "/prompt", 400, lambda v: v["error"]["type"] == "prompt_no_outputs", {"prompt": {}}),
    Case("GET", "/queue", check=like(queue_running=list, queue_pending=list)),
    Case("POST", "/queue", body={"clear": True}),
    Case("POST", "/queue", body={"delete": ["nobody"], "client_id": "me"}),
    Case("POST", "/interrupt"),
    Case("POST", "/interrupt", body={"prompt_id": "nobody"}),
    Case("POST", "/free", body={"unload_models": True, "free_memory": False}),
    Case("GET", "/history", check=like()),
    Case("GET", "/history?max_items=64", check=like()),
    Case("GET", "/history/nobody", check=lambda v: v == {}),
    Case("POST", "/history", body={"delete": ["nobody"]}),
    Case("GET", "/jobs?status=in_progress,pending&limit=200&offset=0", check=lambda v: PAGES(v["pagination"])),
    Case("GET", "/jobs?status=completed,failed,cancelled&limit=64", check=lambda v: isinstance(v["jobs"], list)),
    Case("GET", "/jobs/nobody", 404, lambda v: v == {"error": "Job not found"}),
    Case("POST", "/jobs/nobody/cancel", 404, lambda v: v == {"error": "Job not found"}),
    Case("POST", "/jobs/cancel", check=lambda v: v == {"cancelled": []}, body={"job_ids": ["nobody"]}),
    Case("GET", "/object_info", check=lambda v: like(input=dict, output=list, input_order=dict)(v["G2Int"])),
    Case("GET", "/object_info/G2Int", check=lambda v: list(v) == ["G2Int"]),
    Case("GET", "/object_info/Nobody", check=lambda v: v == {}),
    Case("GET", "/view", 404),
    Case("GET", "/view?filename=..%2Fx", 400),
    Case("GET", "/view?filename=x.png&type=other", 400),
    Case("GET", "/view?filename=x.png&subfolder=..%2F..", 403),
    Case("GET", "/view?filename=none.png", 404),
    Case("GET", "/view_metadata/checkpoints?filename=none.safetensors", 404),
    Case("POST", "/upload/image", 400, body={}),
    Case("POST", "/upload/mask", 400, body={}),
    Case("GET", "/models", check=lists(str)),
    Case("GET", "/models/checkpoints", check=lists(str)),
    Case("GET", "/models/loaded", check=lists(dict)),
    Case("GET", "/models/nothing", 404),
    Case("GET", "/embeddings", check=lists(str)),
    Case("GET", "/experiment/models", check=lambda v: all(map(like(name=str, folders=list), v))),
    Case("GET", "/experiment/models/checkpoints", check=lists(dict)),
    Case("GET", "/experiment/models/nothing", 404),
    Case("GET", "/experiment/models/preview/checkpoints/0/none.safetensors", 404),
    Case("GET", "/users", check=lambda v: v == {"storage": "server", "migrated": True}),
    Case("POST", "/users", 400, like(error=str), {"username": "bob"}),
    Case("POST", "/settings", body={"Comfy.A": True}),
    Case("POST", "/settings/Comfy.B", body="1.27.10"),
    Case("GET", "/settings", check=lambda v: v["Comfy.A"] is True),
    Case("GET", "/settings/Comfy.B", check=lambda v: v == "1.27.10"),
    Case("GET", "/settings/Comfy.Nothing", check=lambda v: v is None),
    Case("POST", "/userdata/workflows%2Fa.json?overwrite=true", check=lambda v: v == "workflows/a.json", body={}),
    Case("POST", "/userdata/workflows%2Fa.json?overwrite=false", 409, body={}),
    Case(
        "GET",
        "/userdata?dir=workflows&recurse=true&split=false&full_info=true",
        check=lambda v: all(map(like(path=str, size=int, modified=float, created=float), v)),
    ),
    Case("GET", "/userdata?dir=workflows&split=true", check=lambda v: ["a.json", "a.json"] in v),
    Case("GET", "/userdata?dir=nothing", 404),
    Case("GET", "/userdata", 400),
    Case("GET", "/v2/userdata?path=workflows", check=lambda v: all(map(like(name=str, path=str, type=str), v))),
    Case("GET", "/userdata/workflows%2Fa.json", check=lambda v: v == {}),
    Case("GET", "/userdata/nothing", 404),
    Case("POST", "/userdata/workflows%2Fa.json/move/workflows%2Fb.json", check=lambda v: v == "workflows/b.json"),
    Case("DELETE", "/userdata/workflows%2Fb.json", 204),
    Case("DELETE", "/userdata/workflows%2Fb.json", 404),
    Case("GET", "/userdata/..%2Fx", 403),
    Case("GET", "/extensions", check=lists(str)),
    Case("GET", "/i18n", check=like()),
    Case("GET", "/workflow_templates", check=like()),
    Case("GET", "/global_subgraphs", check=like()),
    Case("GET", "/global_subgraphs/none", check=lambda v: v is None),
    Case("GET", "/node_replacements", check=like()),
    Case("GET", "/internal/logs", check=lambda v: isinstance(v, str), plain_only=True),
    Case("GET", "/internal/logs/raw", check=like(entries=list, size=dict), plain_only=True),
    Case("PATCH", "/internal/logs/subscribe", body={"clientId": "me", "enabled": True}, plain_only=True),
    Case("GET", "/internal/folder_paths", check=lambda v: lists(str)(v["checkpoints"]), plain_only=True),
    Case("GET", "/internal/files/output", check=lists(str), plain_only=True),
    Case("GET", "/internal/files/other", 400, lambda v: v == {"error": "Invalid directory type"}, plain_only=True),
    Case("OPTIONS", "/anything"),
    Case("GET", "/nothing", 404),
]
"""In this order: some need what an earlier one did."""


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_every_documented_route_answers_as_documented(server: LiveServer, prefix: str) -> None:
    wrong = []
    for case in CASES:
        if case.plain_only and prefix:
            continue
        body = None if case.body is None else json.dumps(case.body)
        answer = server.request(case.method, prefix + case.path, body)
        problem = _problem(case, answer)
        if problem:
            wrong.append(f"{case.method} {prefix}{case.path}: {problem}")
    assert wrong == []


def _problem(case: Case, answer: Any) -> str:
    if answer.status != case.status:
        return f"{answer.status}, not {case.status}: {answer.body[:200]!r}"
    if case.check is not None:
        raw = case.path.startswith("/userdata/") and case.method == "GET"
        if not raw and answer.headers.get("content-type") != JSON:
            return f"its type is {answer.headers.get('content-type')}"
        return "" if case.check(answer.json) else f"it says {answer.body[:200]!r}"
    if case.status == 200 and (answer.body or "content-type" in answer.header_names):
        return f"it is not empty: {answer.body[:200]!r} {answer.headers}"
    return ""


def test_only_the_prefix_less_routes_lack_it(server: LiveServer) -> None:
    for path in ("/api/internal/logs", "/api/healthz", "/api/metrics"):
        assert server.get(path).status == 404


def test_the_description_for_people_needs_nothing_from_elsewhere(server: LiveServer) -> None:
    page = server.get("/openapi").body.decode()
    assert "POST /prompt" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "").split("</style>")[0]
