"""``E_engine`` once more, through a real server: posts, the websocket, and the history afterwards."""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from host.api.answers import dumps
from tests.goldens.runners import engine
from tests.support.live_server import SECONDS, LiveServer, make_host, start

STEPS = ("progress", "progress_state")


def check(folder: Path, kind: str, case: str) -> None:
    """Send what was recorded to a server whose cache is empty, and compare what comes of it."""
    server = _server(folder)
    if kind == "invalid":
        _check_invalid(server, engine._find(engine._load(folder, "invalid_prompts")["cases"], case))
        return
    server.post("/free", {"unload_models": True, "free_memory": True})
    for step in copy.deepcopy(engine._find(engine._load(folder, "valid_prompts")["scenarios"], case)["steps"]):
        _check_step(server, step)


@cache
def _server(folder: Path) -> LiveServer:
    """One for all cases of a folder; it ends with the process."""
    base = Path(tempfile.mkdtemp(prefix="comfy-nodes-"))
    host = make_host(base, safe_mode=False, packs=("g2_testpack",), pack_dirs=(engine.PACK,), cache="last")
    return start(host)[0]


def _check_invalid(server: LiveServer, case: Mapping[str, Any]) -> None:
    if case["id"] == "deep_recursion":
        assert server.post("/prompt", {"prompt": engine._deep_chain()}).status == 200
        return
    body = case["raw_body"] if "raw_body" in case else json.dumps(case["request"])
    answer = server.request("POST", "/prompt", body)
    assert answer.status == (400 if case["status"] == 500 else case["status"])
    if case["status"] != 500:
        prompt = json.loads(body).get("prompt") if body.startswith("{") else None
        # The reference writes ``Infinity``, which no browser reads; null is what JSON has for it.
        engine._compare_answers(answer.json, json.loads(dumps(case["json"])), prompt)


def _check_step(server: LiveServer, step: dict[str, Any]) -> None:
    request = step["request"]
    url = f"ws://127.0.0.1:{server.port}/ws?clientId={request.get('client_id', 'onlooker')}"
    with connect(url, open_timeout=SECONDS) as socket:
        socket.recv(timeout=SECONDS)
        answer = server.post("/prompt", request)
        assert answer.status == step["response"]["status"]
        engine._compare_answers(answer.json, step["response"]["json"], request["prompt"])
        if answer.status != 200:
            return
        transcript = engine._Transcript(request.get("client_id"), step)
        transcript.sent = _messages(server, socket, request, transcript._steps_to_cancel)
        entry = server.get(f"/history/{request['prompt_id']}").json[request["prompt_id"]]
    if transcript._steps_to_cancel is not None:  # how many more steps it makes until it hears of it is chance
        transcript.sent = [message for message in transcript.sent if message["type"] not in STEPS]
        step["ws"] = [message for message in step["ws"] if message["type"] not in STEPS]
    transcript.compare(step, request["prompt"])
    engine._compare_histories(entry, step["history"][request["prompt_id"]])


def _messages(
    server: LiveServer, socket: ClientConnection, request: Mapping[str, Any], interrupt_at: int | None
) -> list[Any]:
    """What comes until the run has ended, without ``status``; interrupts it after so many steps."""
    found: list[Any] = []
    steps = 0
    while True:
        message = json.loads(socket.recv(timeout=SECONDS))
        if message["type"] == "status":
            if "client_id" not in request and message["data"]["status"]["exec_info"]["queue_remaining"] == 0:
                return found
            continue
        found.append(message)
        steps += message["type"] == "progress"
        if message["type"] == "progress" and steps == interrupt_at:
            server.post("/interrupt")
        if message["type"] == "executing" and message["data"]["node"] is None:
            return found
