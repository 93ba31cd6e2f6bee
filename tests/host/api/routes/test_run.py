from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.support.live_server import Answer, LiveServer

PROMPT = {
    "1": {"class_type": "G2Int", "inputs": {"value": 3}, "_meta": {"title": "Number"}},
    "2": {"class_type": "G2Out", "inputs": {"v": ["1", 0]}},
}
DRAWN = {
    "nodes": [
        {
            "id": 1,
            "type": "G2Int",
            "mode": 0,
            "inputs": [],
            "outputs": [{"name": "INT", "type": "INT", "links": [1]}],
            "widgets_values": [3],
        },
        {
            "id": 2,
            "type": "G2Out",
            "mode": 0,
            "inputs": [{"name": "v", "type": "*", "link": 1}],
            "outputs": [],
            "widgets_values": [],
        },
    ],
    "links": [[1, 1, 0, 2, 0, "INT"]],
    "groups": [],
    "version": 0.4,
}


def shown(server: LiveServer, answer: Answer) -> Any:
    """What the job of an answer shows in the end."""
    assert answer.status == 202, answer.body
    job = answer.json
    assert job["status"] in ("pending", "in_progress", "completed")
    assert answer.headers["location"] == f"/jobs/{job['id']}"
    server.jobs.wait(job["id"], 60)
    return server.get(f"/jobs/{job['id']}").json["outputs"]["2"]["text"]


def picture(kind: str) -> bytes:
    content = BytesIO()
    if kind == "png":
        info = PngInfo()
        info.add_text("prompt", json.dumps(PROMPT))
        info.add_text("workflow", json.dumps(DRAWN))
        Image.new("RGB", (8, 8)).save(content, "PNG", pnginfo=info)
    else:
        exif = Image.Exif()
        exif[0x0110] = f"prompt:{json.dumps(PROMPT)}"
        Image.new("RGB", (8, 8)).save(content, "WEBP", exif=exif)
    return content.getvalue()


@pytest.mark.parametrize("workflow", [PROMPT, DRAWN], ids=["API format", "UI format"])
def test_a_workflow_runs_in_either_format_with_changes_by_name(server: LiveServer, workflow: dict[str, Any]) -> None:
    assert shown(server, server.post("/run", workflow)) == ["3"]
    assert shown(server, server.post("/api/run", {"workflow": workflow, "overrides": {"1.value": 7}})) == ["7"]
    assert shown(server, server.post("/run?set=1.value=8", workflow)) == ["8"]


def test_a_title_names_a_node(server: LiveServer) -> None:
    said = {"workflow": PROMPT, "overrides": ["Number.value=9"], "client_id": "me", "number": 5}
    answer = server.post("/run", said)
    assert answer.json["priority"] == 5
    assert shown(server, answer) == ["9"]


@pytest.mark.parametrize("kind", ["png", "webp"])
def test_a_picture_runs_what_made_it(server: LiveServer, kind: str) -> None:
    content = picture(kind)
    assert shown(server, server.request("POST", "/run?set=1.value=4", content)) == ["4"]
    head = b'--b\r\nContent-Disposition: form-data; name="workflow"; filename="x.png"\r\n\r\n'
    rest = b'\r\n--b\r\nContent-Disposition: form-data; name="overrides"\r\n\r\n{"1.value": 5}\r\n--b--\r\n'
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = server.request("POST", "/run", head + content + rest, form)
    assert shown(server, answer) == ["5"]


def test_the_graph_as_drawn_stays_with_the_job(server: LiveServer) -> None:
    job = server.post("/run", DRAWN).json["id"]
    server.jobs.wait(job, 60)
    assert server.get(f"/jobs/{job}").json["workflow"]["extra_data"]["extra_pnginfo"] == {"workflow": DRAWN}


def test_a_key_that_was_used_before_gives_the_same_job(server: LiveServer) -> None:
    first, second = (server.post("/run", PROMPT, Idempotency_Key="run-1").json["id"] for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[1]",
        b"\x89PNG\r\n\x1a\nbroken",
        b"GIF89a",
        json.dumps({"workflow": {}}).encode(),
        json.dumps({"workflow": PROMPT, "overrides": 3}).encode(),
        json.dumps({"workflow": PROMPT, "overrides": {"7.value": 1}}).encode(),
        json.dumps({"workflow": PROMPT, "overrides": {"1.nothing": 1}}).encode(),
        json.dumps({"workflow": PROMPT, "extra_data": []}).encode(),
        json.dumps({"workflow": PROMPT, "client_id": 3}).encode(),
        json.dumps({"nodes": [{"id": 1, "type": "NoSuchNode"}], "links": []}).encode(),
    ],
)
def test_what_holds_no_workflow_is_refused_with_a_sentence(server: LiveServer, body: bytes) -> None:
    answer = server.request("POST", "/run", body)
    assert answer.status == 400
    assert answer.json["error"]


def test_a_workflow_that_can_not_run_is_explained_in_words(server: LiveServer) -> None:
    circle = {
        "1": {"class_type": "G2Add", "inputs": {"a": ["1", 0], "b": 1}},
        "2": {"class_type": "G2Out", "inputs": {"v": ["1", 0]}},
    }
    answer = server.post("/run", {"workflow": circle})
    assert answer.status == 400
    assert answer.json["explanation"] == [
        "links lead round in a circle: node 1 (G2Add, pack g2_testpack 0) -> node 1 (G2Add, pack g2_testpack 0). "
        "Remove one of them."
    ]


def test_a_schema_says_what_can_be_changed(server: LiveServer) -> None:
    schema = server.post("/workflows/schema", PROMPT).json
    assert list(schema["properties"]) == ["1.value"]
    value = schema["properties"]["1.value"]
    assert (value["type"], value["default"], value["title"]) == ("integer", 3, "Number: value")
    assert schema["additionalProperties"] is False
    assert server.request("POST", "/userdata/workflows%2Fnumber.json", json.dumps(DRAWN)).status == 200
    saved = server.get("/api/workflows/schema?workflow=number.json").json
    assert saved["properties"]["1.value"]["default"] == 3
    assert server.get("/workflows/schema").status == 400
    assert server.get("/workflows/schema?workflow=none.json").status == 400
    assert server.get("/workflows/schema?workflow=../../x").status == 403


def test_choices_and_bounds_are_in_the_schema() -> None:
    from host.api.workflow_schema import override_schema
    from sdk.nodes import Input, NodeResult, NodeType

    node = NodeType(
        id="Probe",
        run=lambda state, inputs, context: NodeResult(),
        inputs=(
            Input(name="mode", type="COMBO", choices=("a", "b"), options={"tooltip": "how"}),
            Input(name="seed", type="INT", options={"min": 0, "max": 2**64 - 1}),
            Input(name="image", type="IMAGE"),
        ),
    )
    prompt = {"1": {"class_type": "Probe", "inputs": {"mode": "a", "seed": ["2", 0], "image": ["2", 1]}}, "2": 3}
    assert override_schema(prompt, {"Probe": node})["properties"] == {
        "1.mode": {"title": "Probe: mode", "default": "a", "description": "how", "enum": ["a", "b"]}
    }
    prompt["1"] = {"class_type": "Probe", "inputs": {"seed": 5}}
    seed = override_schema(prompt, {"Probe": node})["properties"]["1.seed"]
    assert (seed["minimum"], seed["maximum"]) == (0, 18446744073709551615)
