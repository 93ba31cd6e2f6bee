from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.live_server import LiveServer

SHOWN = {
    "1": {"class_type": "G2Int", "inputs": {"value": 3}},
    "2": {"class_type": "G2Out", "inputs": {"v": ["1", 0]}},
}


def queued(server: LiveServer, **request: Any) -> str:
    answer = server.post("/prompt", {"prompt": SHOWN, **request})
    assert answer.status == 200, answer.body
    return answer.json["prompt_id"]


def test_a_prompt_runs_and_its_history_has_the_outputs(server: LiveServer) -> None:
    job_id = queued(server, client_id="me", extra_data={"api_key_comfy_org": "secret", "kept": 1})
    assert _ended(server, job_id)["status"]["status_str"] == "success"
    entry = server.get(f"/history/{job_id}").json[job_id]
    assert entry["prompt"][1:] == [job_id, SHOWN, {"kept": 1, "client_id": "me"}, ["2"]]
    assert entry["outputs"] == {"2": {"text": ["3"]}}
    assert entry["status"]["messages"][0][0] == "execution_start"
    assert server.get(f"/jobs/{job_id}").json["status"] == "completed"


def test_a_body_is_json_whatever_type_it_claims_to_have(server: LiveServer) -> None:
    body = json.dumps({"prompt": SHOWN})
    for kind in ("application/x-www-form-urlencoded", "text/plain", "application/octet-stream"):
        assert server.request("POST", "/api/prompt", body, {"Content-Type": kind}).status == 200


DEEP = b'{"prompt": ' + b"[" * 200 + b"]" * 200 + b"}"


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"prompt": 3}', b"\xff\xfe", b"[" * 5000, pytest.param(DEEP, id="deep")]
)
def test_what_is_no_prompt_is_refused_with_a_reason(server: LiveServer, body: bytes) -> None:
    answer = server.request("POST", "/prompt", body)
    assert answer.status == 400
    assert answer.json["error"]


def test_a_key_that_was_used_before_gives_the_same_job(server: LiveServer) -> None:
    first, second = (server.post("/prompt", {"prompt": SHOWN}, Idempotency_Key="k1").json for _ in range(2))
    assert first["prompt_id"] == second["prompt_id"]
    other = {**SHOWN, "1": {"class_type": "G2Int", "inputs": {"value": 4}}}
    assert server.post("/prompt", {"prompt": other}, Idempotency_Key="k1").status == 409


def test_an_id_that_is_taken_is_refused(server: LiveServer) -> None:
    assert queued(server, prompt_id="mine") == "mine"
    assert server.post("/prompt", {"prompt": SHOWN, "prompt_id": "mine"}).status == 409


def test_numbers_that_json_cannot_hold_come_back_as_null(server: LiveServer) -> None:
    answer = server.request("POST", "/prompt", json.dumps({"prompt": SHOWN, "extra_data": {"n": float("nan")}}))
    job_id = answer.json["prompt_id"]
    _ended(server, job_id)
    assert server.get(f"/history/{job_id}").json[job_id]["prompt"][3] == {"n": None}


def test_history_gives_the_last_ones_or_those_from_an_offset_on(server: LiveServer) -> None:
    for job_id in [queued(server) for _ in range(3)]:
        _ended(server, job_id)
    every = list(server.get("/history").json)
    assert list(server.get("/history?max_items=2").json) == every[-2:]
    assert list(server.get("/history?max_items=2&offset=0").json) == every[:2]
    assert server.get("/history?max_items=0").json == {}
    assert server.get("/history?max_items=x").status == 400


def test_jobs_come_in_pages_and_by_status(server: LiveServer) -> None:
    _ended(server, queued(server))
    page = server.get("/api/jobs?status=completed,failed&limit=1&offset=0").json
    assert len(page["jobs"]) == 1
    assert (page["jobs"][0]["outputs_count"], page["jobs"][0]["preview_output"]) == (1, None)
    assert page["pagination"]["limit"] == 1
    assert server.get("/api/jobs?status=odd").status == 400
    assert server.get("/api/jobs?limit=0").status == 400
    assert server.get("/api/jobs/nobody").json == {"error": "Job not found"}


def _ended(server: LiveServer, job_id: str) -> Any:
    server.jobs.wait(job_id, 60)
    return server.get(f"/history/{job_id}").json[job_id]
