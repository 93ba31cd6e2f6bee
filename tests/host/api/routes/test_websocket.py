from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.support.live_server import LiveServer

SECONDS = 60
SHOWN = {
    "1": {"class_type": "G2Int", "inputs": {"value": 3}},
    "2": {"class_type": "G2Out", "inputs": {"v": ["1", 0]}},
}


@contextmanager
def listening(server: LiveServer, client_id: str = "", path: str = "/ws", **options: Any) -> Iterator[ClientConnection]:
    query = f"?clientId={client_id}" if client_id else ""
    with connect(f"ws://127.0.0.1:{server.port}{path}{query}", open_timeout=SECONDS, **options) as socket:
        yield socket


def received(socket: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(socket.recv(timeout=SECONDS))
    return message


def until_end(socket: ClientConnection) -> list[dict[str, Any]]:
    messages = [received(socket)]
    while messages[-1]["type"] != "executing" or messages[-1]["data"]["node"] is not None:
        messages.append(received(socket))
    return messages


def test_the_messages_of_a_run_come_in_the_order_that_clients_know(server: LiveServer) -> None:
    with listening(server, "watcher") as socket:
        first = received(socket)
        assert first == {"type": "status", "data": {"status": {"exec_info": {"queue_remaining": 0}}, "sid": "watcher"}}
        job_id = server.post("/prompt", {"prompt": SHOWN, "client_id": "watcher"}).json["prompt_id"]
        messages = until_end(socket)
        stored = server.get(f"/history/{job_id}").json
    node = ["progress_state", "executing"]
    assert [message["type"] for message in messages] == [
        *("status", "status", "execution_start", "execution_cached"),
        *(*node, "progress_state", *node, "executed", "progress_state"),
        *("execution_success", "status", "executing"),
    ]
    assert messages[-1]["data"] == {"node": None, "prompt_id": job_id}
    assert stored[job_id]["status"]["completed"] is True


CIRCLE = {
    "1": {"class_type": "G2Add", "inputs": {"a": ["1", 0], "b": 1}},
    "2": {"class_type": "G2Out", "inputs": {"v": ["1", 0]}},
}
NO_SUCH_OUTPUT = {
    "1": {"class_type": "G2Int", "inputs": {"value": 1}},
    "2": {"class_type": "G2Out", "inputs": {"v": ["1", 5]}},
    "3": {"class_type": "G2Out", "inputs": {"v": ["1", 0]}},
}
ADD, INT, OUT = (f"({name}, pack g2_testpack 0)" for name in ("G2Add", "G2Int", "G2Out"))


@pytest.mark.parametrize(
    ("prompt", "line"),
    [
        (CIRCLE, f"links lead round in a circle: node 1 {ADD} -> node 1 {ADD}. Remove one of them."),
        (
            NO_SUCH_OUTPUT,
            f"node 2 {OUT}: input v is linked to output 5 of node 1 {INT}. It has: 0 (INT). "
            "Link the input to one of these.",
        ),
    ],
)
def test_a_client_hears_in_words_of_faults_that_the_answer_has_none_for(
    server: LiveServer, prompt: dict[str, Any], line: str
) -> None:
    with listening(server, "drawing") as socket:
        received(socket)
        server.post("/prompt", {"prompt": prompt, "client_id": "drawing"})
        assert received(socket) == {"type": "comfy-nodes.faults", "data": {"lines": [line]}}


def test_a_client_without_an_id_is_given_one(server: LiveServer) -> None:
    with listening(server, path="/api/ws") as socket:
        assert len(received(socket)["data"]["sid"]) == 32


def test_only_the_first_message_may_announce_what_a_client_can_do(server: LiveServer) -> None:
    flags = json.dumps({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
    with listening(server, "flags") as socket:
        received(socket)
        socket.send(flags)
        assert received(socket) == {"type": "feature_flags", "data": server.get("/features").json}
        socket.send(flags)
        server.jobs.clear_waiting()
        server.post("/prompt", {"prompt": SHOWN, "client_id": "flags"})
        assert received(socket)["type"] == "status"


@pytest.mark.parametrize("nonsense", ["", "[", "null", '{"type": 3}', b"\x00\xff"])
def test_nonsense_from_a_client_is_ignored(server: LiveServer, nonsense: str | bytes) -> None:
    with listening(server, "odd") as socket:
        received(socket)
        socket.send(nonsense)
        server.post("/prompt", {"prompt": SHOWN, "client_id": "odd"})
        assert until_end(socket)


def test_a_second_connection_of_the_same_client_takes_over_and_outlives_the_first(server: LiveServer) -> None:
    with listening(server, "twice") as second_outer:
        received(second_outer)
        with listening(server, "twice") as newer:
            received(newer)
            second_outer.close()
            server.post("/prompt", {"prompt": SHOWN, "client_id": "twice"})
            assert until_end(newer)


def test_a_foreign_page_gets_no_websocket(server: LiveServer) -> None:
    with (
        pytest.raises(InvalidStatus) as refused,
        listening(server, "evil", additional_headers={"Origin": "http://evil.example"}),
    ):
        pytest.fail("it was let in")
    assert refused.value.response.status_code == 403


def test_a_preview_frame_names_its_node() -> None:
    from PIL import Image

    from host.api.frames import node_text, preview
    from host.engine.events import NodeRef

    frames = preview(Image.new("RGB", (1024, 8)), NodeRef("5", "5", None, "5"), "job")
    assert frames is not None
    plain, with_metadata = frames
    assert struct.unpack(">II", plain[:8]) == (1, 1)
    kind, length = struct.unpack(">II", with_metadata[:8])
    assert kind == 4
    assert json.loads(with_metadata[8 : 8 + length])["image_type"] == "image/jpeg"
    assert with_metadata[8 + length :] == plain[8:]
    assert node_text("5", "hello") == b"\x00\x00\x00\x03\x00\x00\x00\x015hello"
