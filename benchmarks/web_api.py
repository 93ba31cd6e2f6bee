"""What the web API costs: start-up, a long chain, a cached prompt, and a crowd of clients.

``python -m benchmarks.web_api [--json FILE]``. A server in a process of its own, over the loopback interface, with a
websocket client that reads everything. Targets: ``/object_info`` within 2 s of the start and then under 5 ms; a chain
of 900 nodes under 0.5 s; a cached prompt of 20 nodes under 15 ms; 100 clients and 1,000 jobs, no message lost.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.client import connect as connect_async
from websockets.sync.client import ClientConnection, connect

SECONDS = 120
STARTS, REPEATS = 3, 9
CLIENTS, JOBS = 100, 1000
PACK = """
class Add:
    CATEGORY, FUNCTION, RETURN_TYPES = "benchmark", "go", ("INT",)

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"a": ("INT", {"default": 0, "max": 10**9}), "b": ("INT", {"default": 1})}}

    def go(self, a, b):
        return ((a + b) % 1000003,)

class Show:
    CATEGORY, FUNCTION, RETURN_TYPES, OUTPUT_NODE = "benchmark", "go", (), True

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"v": ("INT", {"forceInput": True})}}

    def go(self, v):
        return {"ui": {"text": [str(v)]}}

NODE_CLASS_MAPPINGS = {"Add": Add, "Show": Show}
"""


def chain(length: int, start: int = 0) -> dict[str, Any]:
    """``length`` additions one after the other and an output; ``start`` makes it another chain."""
    prompt: dict[str, Any] = {"0": {"class_type": "Add", "inputs": {"a": start, "b": 1}}}
    for index in range(1, length):
        prompt[str(index)] = {"class_type": "Add", "inputs": {"a": [str(index - 1), 0], "b": 1}}
    prompt["out"] = {"class_type": "Show", "inputs": {"v": [str(length - 1), 0]}}
    return prompt


class Server:
    """A server in a process of its own."""

    def __init__(self, base: Path) -> None:
        command = [sys.executable, "-m", "host.cli", "serve", "--port", "0", "--base-dir", str(base)]
        command += ["--pack-dir", str(base / "packs"), "--device", "cpu", "--log-level", "error"]
        self.began = time.perf_counter()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        found = re.search(r":(\d+)$", self.process.stdout.readline().strip())
        if found is None:
            raise RuntimeError("the server did not start")
        self.port = int(found[1])
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)

    def ask(self, path: str, body: Any = None) -> Any:
        """An answer's JSON."""
        self._connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body))
        return json.loads(self._connection.getresponse().read())

    def close(self) -> None:
        self._connection.close()
        self.process.terminate()
        self.process.communicate(timeout=SECONDS)


@contextmanager
def serving() -> Iterator[Server]:
    """A server with a pack of trivial nodes."""
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "models").mkdir()
        (base / "packs" / "benchmark").mkdir(parents=True)
        (base / "packs" / "benchmark" / "__init__.py").write_text(PACK, encoding="utf-8")
        server = Server(base)
        try:
            yield server
        finally:
            server.close()


def measure_start() -> dict[str, float]:
    """Seconds from the start to the first ``/object_info``, and to have it once more."""
    with serving() as server:
        server.ask("/object_info")
        first = time.perf_counter() - server.began
        again = min(_seconds(lambda: server.ask("/object_info")) for _ in range(REPEATS))
    return {"start_to_object_info_s": first, "object_info_s": again}


def run_chain(server: Server, socket: ClientConnection, length: int, start: int) -> tuple[float, int]:
    """Seconds from the post to the last message, and how many came."""
    began = time.perf_counter()
    server.ask("/prompt", {"prompt": chain(length, start), "client_id": "benchmark"})
    count = 0
    while True:
        message = json.loads(socket.recv(timeout=SECONDS))
        count += 1
        if message["type"] == "executing" and message["data"]["node"] is None:
            return time.perf_counter() - began, count


def measure_runs() -> dict[str, Any]:
    """A chain of 900 nodes at first, and a chain of 20 that is cached."""
    with serving() as server, connect(f"ws://127.0.0.1:{server.port}/ws?clientId=benchmark", max_size=None) as socket:
        run_chain(server, socket, 20, 1)
        cached = [run_chain(server, socket, 20, 1)[0] for _ in range(REPEATS * 3)]
        long = [run_chain(server, socket, 900, 10 + number) for number in range(REPEATS)]
    return {
        "chain_900_s": statistics.median(seconds for seconds, _ in long),
        "chain_900_messages": long[-1][1],
        "cached_20_s": statistics.median(cached),
    }


def measure_crowd() -> dict[str, Any]:
    """Many clients, many jobs: how long until each has heard the end of each of its jobs."""
    with serving() as server:
        began = time.perf_counter()
        ended, lost = asyncio.run(_crowd(server))
        seconds = time.perf_counter() - began
        stored = len(server.ask("/history"))
    return {"clients": CLIENTS, "jobs": JOBS, "ended": ended, "lost": lost, "stored": stored, "crowd_s": seconds}


async def _crowd(server: Server) -> tuple[int, int]:
    heard = await asyncio.gather(*(_client(server.port, number) for number in range(CLIENTS)))
    ended = sum(len(jobs & ends) for jobs, ends in heard)
    return ended, JOBS - ended


async def _client(port: int, number: int) -> tuple[set[str], set[str]]:
    """The jobs one client sent, and those whose end it heard of."""
    jobs: set[str] = set()
    ends: set[str] = set()
    url = f"ws://127.0.0.1:{port}/ws?clientId=client-{number}"
    async with connect_async(url, max_size=None, open_timeout=SECONDS) as socket:
        for job in range(JOBS // CLIENTS):
            body = {"prompt": chain(3, 100 * number + job), "client_id": f"client-{number}"}
            jobs.add((await asyncio.to_thread(_post, port, body))["prompt_id"])
        while ends < jobs:
            message = json.loads(await asyncio.wait_for(socket.recv(), SECONDS))
            if message["type"] == "executing" and message["data"]["node"] is None:
                ends.add(message["data"]["prompt_id"])
    return jobs, ends


def _post(port: int, body: Any) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("POST", "/prompt", json.dumps(body))
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def _seconds(action: Any) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    starts = [measure_start() for _ in range(STARTS)]
    figures: dict[str, Any] = {name: statistics.median(row[name] for row in starts) for name in starts[0]}
    figures |= measure_runs()
    figures |= measure_crowd()
    for name, value in figures.items():
        print(f"{name:24} {value:10.4f}" if isinstance(value, float) else f"{name:24} {value:10}")
    if options.json:
        options.json.write_text(json.dumps(figures), encoding="utf-8")
    if figures["lost"]:
        sys.exit("messages were lost")


if __name__ == "__main__":
    main()
