"""What a registry costs: reads, search, a client's update, publishing, memory, a start; beside pypiserver.

``python -m benchmarks.registry [--packs 100000] [--data DIR] [--json FILE]``. The server is a process of its own on one
core, load comes from another one. With 100,000 packs (400,000 versions, a million node ids) the targets are: hot index
and pack reads 3,000 a second with a p99 under 20 ms, an update of 500 changes under 0.3 s, a pack of 1 MB published
within 150 ms, 300 MB of memory, a cold start under 2 s, a search within 50 ms at the median.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from benchmarks import http_load, registry_rival
from benchmarks.registry_seed import Generator, seed
from registry_client.index.documents import open_documents
from registry_client.index.local_copy import LocalCopy
from registry_client.index.refresh import refresh
from registry_server.accounts.identity import OPERATOR, Scope
from registry_server.accounts.service import create_publisher, create_token
from registry_server.app import create_parts
from registry_server.clock import now
from registry_server.index.repository import state
from registry_server.packs.tables import PackRow
from registry_server.requests import Parts
from registry_server.settings import Settings
from sdk.registry import pack_path

START = "from registry_server.cli import app; app()"
STARTS, PUBLISHES, SEARCHES, UPDATES = 3, 15, 200, 3
CHANGES, DIFFERENT = 500, 5000
NODE = """
class Node{number}:
    RETURN_TYPES, FUNCTION, CATEGORY = ("INT",), "run", "benchmark"

    @classmethod
    def INPUT_TYPES(cls):
        return {{"required": {{"value": ("INT", {{"default": {number}, "min": 0, "max": {salt}}})}}}}

    def run(self, value):
        total = [value * step + {salt} for step in range({number} + 3) if step % 2]
        return (sum(total) - len(total) + {number},)
"""


@dataclass(frozen=True)
class Served:
    """A running registry.

    Attributes:
        started: seconds until it answered its first request.
    """

    url: str
    pid: int
    started: float

    def memory(self) -> float:
        """Resident memory in MiB."""
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8"))
        assert found is not None
        return int(found[1]) / 1024


@contextmanager
def served(data: Path) -> Iterator[Served]:
    """The registry in a process of its own, on one core."""
    command = [sys.executable, "-c", START, "serve", "--data", str(data), "--port", "0"]
    command += ["--writes-per-minute", "0", "--log-level", "warning"]
    began = time.perf_counter()
    confined = partial(http_load.pin, http_load.server_core())
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=confined) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().split()[-1]
            httpx.get(f"{url}/index/config.json").raise_for_status()
            yield Served(url, process.pid, time.perf_counter() - began)
        finally:
            process.terminate()
            process.wait(60)


def measure_reads(server: Served, packs: list[str]) -> dict[str, float]:
    """The same document again and again; with an ETag; and a different one each time."""
    first = f"/{pack_path(packs[0])}"
    etag = httpx.get(server.url + first).headers["ETag"]
    api = f"/nodes/{packs[0]}"
    cases: dict[str, tuple[list[str], str]] = {
        "index_hot": ([first], ""),
        "index_etag": ([first], f"If-None-Match: {etag}"),
        "index_different": ([f"/{pack_path(pack)}" for pack in packs], ""),
        "config_hot": (["/index/config.json"], ""),
        "pack_hot": ([api], ""),
        "pack_etag": ([api], f"If-None-Match: {httpx.get(server.url + api).headers['ETag']}"),
        "pack_different": ([f"/nodes/{pack}" for pack in packs], ""),
    }
    figures: dict[str, float] = {}
    for name, (paths, header) in cases.items():
        found = http_load.load(server.url, paths, header=header)
        if found.refused:
            raise RuntimeError(f"{name}: {found.refused} answers were refusals")
        figures |= {f"{name}_per_s": found.rate, f"{name}_p99_ms": found.p99}
    return figures


def measure_search(server: Served, words: list[str]) -> dict[str, float]:
    """Searches that nobody has made before, with words as frequent as in a language; and pages of the whole list."""
    numbers = random.Random(1)
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    with httpx.Client(base_url=server.url, timeout=60) as client:
        texts = [" ".join(numbers.choices(words, weights, k=numbers.choice((1, 1, 2)))) for _ in range(SEARCHES)]
        found = [
            _seconds(partial(_get, client, f"/api/v1/search?q={text}&limit=19&x={secrets.token_hex(4)}"))
            for text in texts
        ]
        pages = [_seconds(partial(_get, client, f"/nodes?page={page}&limit=30")) for page in range(2, 42)]
    return {
        "search_median_ms": 1000 * statistics.median(found),
        "search_p95_ms": 1000 * statistics.quantiles(found, n=20)[-1],
        "list_page_median_ms": 1000 * statistics.median(pages),
    }


def measure_update(server: Served, behind: int) -> dict[str, float]:
    """Our client's copy of the index, which lacks the last changes, brought up to date."""
    times = []
    for _ in range(UPDATES):
        with tempfile.TemporaryDirectory() as folder:
            copy = LocalCopy(Path(folder), server.url)
            documents = open_documents(server.url)
            copy.replace_all((), serial=str(behind), complete="1")
            times.append(_seconds(partial(refresh, copy, documents, whole=True)))
    return {"update_500_s": statistics.median(times)}


def measure_publishing(server: Served, name: str, token: str) -> dict[str, float]:
    """A pack of one megabyte with ten nodes, in version after version."""
    times = []
    with httpx.Client(base_url=server.url, timeout=120, headers={"Authorization": f"Bearer {token}"}) as client:
        for number in range(PUBLISHES):
            archive = _pack(name, number)
            times.append(
                _seconds(lambda body=archive: client.post("/api/v1/packs/upload", content=body).raise_for_status())
            )
    return {"publish_first_ms": 1000 * times[0], "publish_median_ms": 1000 * statistics.median(times[1:])}


def prepare(data: Path, packs: int) -> tuple[list[str], str, str, int]:
    """Some pack ids, a publisher and its token, and the serial before ``CHANGES`` more changes."""
    parts = create_parts(Settings(data=data))
    name = f"benchmark-{secrets.token_hex(4)}"
    with parts.database.write() as session:
        create_publisher(session, OPERATOR, now(), name, {"name": "Benchmark"})
        token = create_token(session, OPERATOR, now(), publisher_id=name, scopes=[Scope.PUBLISH])[0]
    ids = _some_packs(parts, packs)
    with parts.database.write() as session:
        changed = parts.packs.rebuild(session, OPERATOR, now(), ids[:CHANGES])
        behind = state(session).serial - changed
    parts.database.close()
    return ids, name, token, behind


def _some_packs(parts: Parts, packs: int) -> list[str]:
    numbers = random.Random(2).sample(range(1, packs + 1), min(packs, DIFFERENT))
    with parts.database.read() as session:
        rows = [session.get(PackRow, number) for number in numbers]
    return [row.slug for row in rows if row is not None]


def _pack(name: str, number: int) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        manifest = f'[project]\nname = "{name}"\nversion = "1.{number}.0"\nlicense = "MIT"\n'
        classes = "".join(NODE.format(number=one, salt=1000 + number) for one in range(10))
        mapped = ", ".join(f'"{name} {one}": Node{one}' for one in range(10))
        archive.writestr("pyproject.toml", manifest)
        archive.writestr("__init__.py", f"{classes}\nNODE_CLASS_MAPPINGS = {{{mapped}}}\n")
        archive.writestr("data.bin", random.Random(number).randbytes(2**20))
    return content.getvalue()


def _get(client: httpx.Client, path: str) -> None:
    client.get(path).raise_for_status()


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def measure(data: Path, packs: int) -> dict[str, Any]:
    """All of it, of one registry."""
    ids, name, token, behind = prepare(data, packs)
    starts = []
    for _ in range(STARTS):
        with served(data) as server:
            starts.append(server.started)
    figures: dict[str, Any] = {"packs": packs, "start_s": statistics.median(starts)}
    with served(data) as server:
        if http_load.available():
            figures |= measure_reads(server, ids)
        else:
            print(http_load.MISSING, file=sys.stderr)
        figures |= measure_search(server, Generator(packs).words)
        figures |= measure_update(server, behind)
        figures |= measure_publishing(server, name, token)
        figures["memory_mib"] = server.memory()
    figures["database_mib"] = (data / "registry.sqlite3").stat().st_size / 2**20
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packs", type=int, default=3000)
    parser.add_argument("--data", type=Path, help="a folder made by benchmarks.registry_seed; it is changed")
    parser.add_argument("--no-rival", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or Path(folder)
        if not (data / "registry.sqlite3").is_file():
            seed(data, options.packs)
        figures = measure(data, options.packs)
        if not options.no_rival and http_load.available():
            figures |= registry_rival.measure(Path(folder) / "files", options.packs)
            figures["times_pypiserver"] = figures["index_different_per_s"] / figures["pypiserver_per_s"]
    for name, value in figures.items():
        print(f"{name:28} {value:12.3f}" if isinstance(value, float) else f"{name:28} {value:12}")
    if options.json:
        options.json.write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
