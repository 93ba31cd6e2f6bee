"""Many clients and many jobs at a time, and prompts that are wrong in every way."""

from __future__ import annotations

import copy
import json
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.web_api import CLIENTS, JOBS, measure_crowd
from tests.support.live_server import LiveServer, make_host, serving

PACK = Path(__file__).parents[2] / "support" / "packs" / "g2_testpack"
RECORDED = Path(__file__).parents[2] / "goldens" / "data" / "E_engine.tar.xz"
MUTATIONS = 400
VALUES: tuple[Any, ...] = (
    None, True, -1, 1e308, 2**70, "", "x" * 5000, "\x00", [], {}, [[]], ["1"], ["1", 0, 0], ["1", -1], ["1", 10**9],
    [1, "0"], {"__value__": ["1", 0]}, {"class_type": 1}, "../../etc/passwd", [None, None], ["2", 0.5],
)  # fmt: skip


@pytest.mark.e2e
def test_a_hundred_clients_hear_the_end_of_a_thousand_jobs() -> None:
    figures = measure_crowd()
    assert (figures["ended"], figures["lost"], figures["stored"]) == (JOBS, 0, JOBS)
    assert CLIENTS == 100


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    host = make_host(tmp_path, safe_mode=False, packs=("g2_testpack",), pack_dirs=(PACK,))
    with serving(host) as running:
        yield running


def test_recorded_invalid_prompts_changed_at_random_never_break_the_server(
    server: LiveServer,
) -> None:
    with tarfile.open(RECORDED) as packed:
        cases = json.load(packed.extractfile("E_engine/invalid_prompts.json"))["cases"]
    requests = [case["request"] for case in cases if isinstance(case.get("request"), dict)]
    chance = random.Random(7)
    for _ in range(MUTATIONS):
        request = changed(chance, chance.choice(requests))
        answer = server.post("/prompt", request)
        assert answer.status in (200, 400), (answer.status, request)
    server.post("/queue", {"clear": True})
    assert server.get("/healthz").json == {"status": "ok"}


def changed(chance: random.Random, request: dict[str, Any]) -> dict[str, Any]:
    """A copy in which one to three places have another value, or none."""
    copied = copy.deepcopy(request)
    for _ in range(chance.randint(1, 3)):
        holder, key = chance.choice(list(places(copied)))
        if chance.random() < 0.2 and isinstance(holder, dict):
            del holder[key]
        else:
            holder[key] = copy.deepcopy(chance.choice(VALUES))
        if not copied:
            break
    return copied


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every object or list inside a value, with each of its keys or indices."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from places(value[key])
