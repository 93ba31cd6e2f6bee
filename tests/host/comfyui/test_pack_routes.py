"""Packs that declare routes as ComfyUI's do, with aiohttp, unmodified: over real HTTP."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from host.comfyui.surface.prompt_server import PromptServer
from tests.support.live_server import SECONDS, LiveServer, make_host, serving

PACK = """
import asyncio
import os
import threading
from aiohttp import web
from server import PromptServer

HERE = os.path.dirname(os.path.realpath(__file__))
routes = PromptServer.instance.routes
store = {}


@routes.get("/probe/words")
async def words(request):
    return web.json_response({"begin": request.rel_url.query.get("begin", ""), "client": request.headers["X-Probe"]})


@PromptServer.instance.routes.post("/probe/words")
async def add_word(request):
    said = await request.json()
    if "word" not in said:
        return web.json_response({"error": "no word"}, status=400)
    store[said["word"]] = True
    return web.Response(status=201, text=", ".join(store))


@routes.put("/probe/items/{kind}/{name:.*}")
async def item(request):
    return web.json_response({**request.match_info, "text": await request.text()})


@routes.get("/probe/file")
async def file(request):
    return web.FileResponse(os.path.join(HERE, "big.bin"))


@routes.post("/probe/upload")
async def upload(request):
    post = await request.post()
    image = post["image"]
    return web.json_response({"name": image.filename, "size": len(image.file.read()), "kind": post["kind"]})


@routes.get("/probe/stream")
async def stream(request):
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    for number in range(3):
        await response.write(b"%d\\n" % number)
    return response


@routes.post("/probe/ignore")
async def ignore(request):
    return web.Response(text="no matter what")


ended = threading.Event()


@routes.get("/probe/endless")
async def endless(request):
    response = web.StreamResponse()
    await response.prepare(request)
    try:
        while True:
            await response.write(b"x" * 1000)
            await asyncio.sleep(0)
    finally:
        ended.set()


@routes.get("/probe/ended")
async def has_ended(request):
    return web.json_response(await asyncio.to_thread(ended.wait, 60))


@routes.get("/probe/missing")
async def missing(request):
    raise web.HTTPNotFound(reason="Nothing Here")


@routes.get("/probe/broken")
async def broken(request):
    raise ValueError("broken handler")


@routes.get("/queue")
async def hidden(request):
    return web.Response(text="never seen")


routes.static("/probe_static", HERE)


async def added_directly(request):
    return web.json_response(PromptServer.instance.get_queue_info())


PromptServer.instance.app.router.add_get("/probe/direct", added_directly)


@web.middleware
async def mark(request, handler):
    response = await handler(request)
    if not response.prepared:
        response.headers["X-Marked"] = "yes"
    return response


PromptServer.instance.app.middlewares.append(mark)


def seven(json_data):
    for node in json_data["prompt"].values():
        if node["inputs"].get("text") == "seven":
            node["inputs"]["text"] = "7"
    return json_data


def raising(json_data):
    raise KeyError("no such widget")


PromptServer.instance.add_on_prompt_handler(raising)
PromptServer.instance.add_on_prompt_handler(seven)


class ProbeTell:
    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"text": ("STRING", {"default": ""})}}

    RETURN_TYPES = ()
    OUTPUT_NODE = True
    FUNCTION = "tell"

    def tell(self, text):
        server = PromptServer.instance
        running, waiting = server.prompt_queue.get_current_queue()
        facts = {"text": text, "client": server.client_id, "node": server.last_node_id, "running": len(running)}
        server.send_sync("probe-told", facts, server.client_id)
        server.send_sync(1, b"frame", server.client_id)
        return {"ui": {"text": [text]}}


NODE_CLASS_MAPPINGS = {"ProbeTell": ProbeTell}
WEB_DIRECTORY = "."
"""
BROKEN = """
from server import PromptServer

@PromptServer.instance.routes.get("/broken/route")
async def never(request):
    return None

raise RuntimeError("half-way")
NODE_CLASS_MAPPINGS = {}
"""
RIVAL = """
from aiohttp import web
from server import PromptServer

@PromptServer.instance.routes.get("/probe/words")
async def words(request):
    return web.Response(text="rival")

NODE_CLASS_MAPPINGS = {}
"""
SMALL = """
from aiohttp import web
from server import PromptServer

@PromptServer.instance.routes.post("/small/take")
async def take(request):
    return web.Response(text=str(len(await request.read())))

NODE_CLASS_MAPPINGS = {}
"""
BIG = bytes(range(256)) * 2000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    base = tmp_path_factory.mktemp("base")
    for name, source in (("a_probe", PACK), ("b_broken", BROKEN), ("c_rival", RIVAL)):
        folder = base / "packs" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(source)
        (folder / "big.bin").write_bytes(BIG)
    with serving(make_host(base, safe_mode=False, pack_dirs=(base / "packs",))) as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def _prompt_server() -> Iterator[None]:
    """One for these tests alone."""
    kept = PromptServer.instance
    PromptServer.instance = PromptServer()
    yield
    PromptServer.instance = kept


@pytest.mark.parametrize("prefix", ["", "/api"])
def test_a_handler_reads_a_request_and_gives_json(server: LiveServer, prefix: str) -> None:
    answer = server.get(f"{prefix}/probe/words?begin=%C3%BC", X_Probe="me")
    assert (answer.status, answer.json) == (200, {"begin": "ü", "client": "me"})
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["x-marked"] == "yes"


def test_a_body_is_read_as_json_and_the_status_is_the_handlers(server: LiveServer) -> None:
    assert server.post("/probe/words", {"word": "star"}).status == 201
    refused = server.post("/api/probe/words", {})
    assert (refused.status, refused.json) == (400, {"error": "no word"})


def test_paths_with_variables_and_patterns_are_matched(server: LiveServer) -> None:
    answer = server.request("PUT", "/probe/items/style/a/b%20c.json", "said")
    assert answer.json == {"kind": "style", "name": "a/b c.json", "text": "said"}


def test_a_file_is_given_out_whole_and_in_parts(server: LiveServer) -> None:
    assert server.get("/probe/file").body == BIG
    part = server.get("/probe/file", Range="bytes=10-19")
    assert (part.status, part.body) == (206, BIG[10:20])
    assert server.get("/probe_static/big.bin").body == BIG
    assert server.get("/probe_static/gone.bin").status == 404


def test_a_form_with_a_file_larger_than_aiohttp_s_own_limit_arrives(server: LiveServer) -> None:
    file = b"x" * 3_000_000
    body = (
        b'--b\r\nContent-Disposition: form-data; name="kind"\r\n\r\npicture\r\n'
        b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
        + file
        + b"\r\n--b--\r\n"
    )
    answer = server.request("POST", "/probe/upload", body, {"Content-Type": "multipart/form-data; boundary=b"})
    assert answer.json == {"name": "a.png", "size": len(file), "kind": "picture"}


def test_a_handler_may_answer_without_reading_the_body(server: LiveServer) -> None:
    for _ in range(3):
        assert server.request("POST", "/probe/ignore", b"x" * 3_000_000).body == b"no matter what"


def test_a_stream_and_what_was_added_to_the_application_directly_work(server: LiveServer) -> None:
    assert server.get("/probe/stream").body == b"0\n1\n2\n"
    assert server.get("/probe/direct").json == {"exec_info": {"queue_remaining": 0}}


def test_a_handler_ends_when_its_client_goes_away(server: LiveServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as client:
        client.sendall(b"GET /probe/endless HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    assert server.get("/probe/ended").json is True


def test_a_body_above_the_servers_limit_never_reaches_a_handler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PromptServer, "instance", PromptServer())
    (tmp_path / "packs" / "small").mkdir(parents=True)
    (tmp_path / "packs" / "small" / "__init__.py").write_text(SMALL)
    host = make_host(tmp_path, safe_mode=False, pack_dirs=(tmp_path / "packs",))
    with serving(host, max_upload_bytes=1000) as limited:
        assert limited.request("POST", "/small/take", b"x" * 999).body == b"999"
        assert limited.request("POST", "/small/take", b"x" * 1001).status == 413
        chunked = b"7d0\r\n" + b"x" * 2000 + b"\r\n0\r\n\r\n"
        assert limited.request("POST", "/small/take", chunked, {"Transfer-Encoding": "chunked"}).status == 413


def test_errors_of_handlers_are_answers(server: LiveServer, caplog: pytest.LogCaptureFixture) -> None:
    assert server.get("/probe/missing").status == 404
    with caplog.at_level(logging.CRITICAL, logger="aiohttp.server"):
        assert server.get("/probe/broken").status == 500
    assert server.request("DELETE", "/probe/words").status in (404, 405)


def test_the_servers_own_routes_go_first_and_of_two_packs_the_first(server: LiveServer) -> None:
    assert server.get("/queue").json == {"queue_running": [], "queue_pending": []}
    assert server.get("/probe/words", X_Probe="x").json["client"] == "x"


def test_a_pack_that_failed_to_load_leaves_no_route_behind(server: LiveServer) -> None:
    assert [failure.pack for failure in server.host.registry.failures] == ["b_broken"]
    assert server.get("/broken/route").status == 404


def test_other_pages_are_kept_out_of_packs_routes_too(server: LiveServer) -> None:
    assert server.get("/probe/words", Origin="http://evil.example").status == 403


def test_a_node_sends_messages_and_a_prompt_is_revised_before_it_is_checked(server: LiveServer) -> None:
    prompt = {"1": {"class_type": "ProbeTell", "inputs": {"text": "seven"}}}
    with connect(f"ws://127.0.0.1:{server.port}/ws?clientId=teller", open_timeout=SECONDS) as websocket:
        assert server.post("/prompt", {"prompt": prompt, "client_id": "teller"}).status == 200
        told, frame = _told(websocket)
    assert told == {"text": "7", "client": "teller", "node": "1", "running": 1}
    assert frame == b"\0\0\0\1frame"


def _told(websocket: Any) -> tuple[Any, bytes]:
    told = None
    while True:
        message = websocket.recv(timeout=SECONDS)
        if isinstance(message, bytes):
            return told, message
        said = json.loads(message)
        told = said["data"] if said["type"] == "probe-told" else told


def test_without_a_server_messages_go_nowhere_and_the_queue_is_empty(tmp_path: Path) -> None:
    alone = PromptServer()
    alone.send_sync("word", {})
    assert (alone.client_id, alone.last_node_id, alone.prompt_queue.get_tasks_remaining()) == (None, None, 0)
    assert (alone.prompt_queue.get_history(), alone.prompt_queue.currently_running) == ({}, {})
