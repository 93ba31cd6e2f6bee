"""What a registry costs: reads, search, a client's update, publishing, memory, a start; beside pypiserver.

``python -m benchmarks.registry [--packs 100000] [--data DIR] [--database-url URL] [--json FILE]``. The server is a
process of its own on one core, load comes from another one. With 100,000 packs (400,000 versions, a million node ids)
the targets are: hot index and pack reads 3,000 a second with a p99 under 20 ms, an update of 500 changes under 0.3 s, a
pack of 1 MB published within 150 ms, 300 MB of memory, a cold start under 2 s, a search within 50 ms at the median.

Figures with ``cpu`` in their names are processor time of the server (for an update, of the client too), which other
work on the machine does not change as it does the rest; a PostgreSQL server's own comes on top.
"""

from __future__ import annotations

import argparse
import io
import json
import os
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
from sqlalchemy import select, text, update

from benchmarks import http_load, registry_rival
from benchmarks.registry_seed import Generator, seed
from registry_client.index.documents import open_documents
from registry_client.index.local_copy import LocalCopy
from registry_client.index.refresh import refresh
from registry_server.accounts.identity import OPERATOR, Scope
from registry_server.accounts.service import create_publisher, create_token
from registry_server.app import create_parts
from registry_server.clock import now
from registry_server.db.database import Database
from registry_server.db.migrate import migrate
from registry_server.index.snapshot import refresh_snapshot
from registry_server.packs.tables import PackRow
from registry_server.requests import Parts
from registry_server.settings import Settings
from sdk.registry import pack_path

START = "from registry_server.cli import app; app()"
STARTS, PUBLISHES, SEARCHES, UPDATES = 3, 15, 200, 3
CHANGES, DIFFERENT, LOAD_SECONDS = 500, 5000, 5
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

    def processor_time(self) -> float:
        """Seconds since it began."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def served(settings: Settings) -> Iterator[Served]:
    """The registry in a process of its own, on one core."""
    command = [sys.executable, "-c", START, "serve", "--data", str(settings.data), "--port", "0"]
    command += ["--writes-per-minute", "0", "--log-level", "warning"]
    command += ["--database-url", settings.database_url] if settings.database_url else []
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
        before = server.processor_time()
        found = http_load.load(server.url, paths, seconds=LOAD_SECONDS, header=header)
        if found.refused:
            raise RuntimeError(f"{name}: {found.refused} answers were refusals")
        per_second = found.rate * LOAD_SECONDS / (server.processor_time() - before)
        figures |= {f"{name}_per_s": found.rate, f"{name}_per_cpu_s": per_second, f"{name}_p99_ms": found.p99}
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


def measure_update(server: Served, settings: Settings, ids: list[str]) -> dict[str, float]:
    """Our client's copy of the whole index, made and then brought up to date after ``CHANGES`` packs have changed."""
    parts = create_parts(settings)
    with tempfile.TemporaryDirectory() as folder:
        copy, documents = LocalCopy(Path(folder), server.url), open_documents(server.url)
        first = _seconds(partial(refresh, copy, documents, whole=True))
        times, work = [], []
        for number in range(UPDATES):
            _change(parts, ids[:CHANGES], f"changed {number} {secrets.token_hex(4)}")
            before = time.process_time() + server.processor_time()
            times.append(_seconds(partial(refresh, copy, documents, whole=True)))
            work.append(time.process_time() + server.processor_time() - before)
    parts.database.close()
    median = statistics.median
    return {"first_copy_s": first, "update_500_s": median(times), "update_500_cpu_s": median(work)}


def _change(parts: Parts, ids: list[str], description: str) -> None:
    with parts.database.write() as session:
        session.execute(update(PackRow).where(PackRow.slug.in_(ids)).values(description=description))
        parts.packs.rebuild(session, OPERATOR, now(), ids)


def measure_publishing(server: Served, name: str, token: str) -> dict[str, float]:
    """A pack of one megabyte with ten nodes, in version after version."""
    times, work = [], []
    with httpx.Client(base_url=server.url, timeout=120, headers={"Authorization": f"Bearer {token}"}) as client:
        for number in range(PUBLISHES):
            before = server.processor_time()
            times.append(_seconds(partial(_upload, client, _pack(name, number))))
            work.append(server.processor_time() - before)
    figures = {"first_ms": times[0], "median_ms": statistics.median(times[1:]), "cpu_ms": statistics.fmean(work[1:])}
    return {f"publish_{kind}": 1000 * seconds for kind, seconds in figures.items()}


def prepare(settings: Settings, packs: int) -> tuple[list[str], str, str]:
    """Some pack ids, a publisher and its token; and a fresh snapshot."""
    parts = create_parts(settings)
    name = f"benchmark-{secrets.token_hex(4)}"
    with parts.database.write() as session:
        create_publisher(session, OPERATOR, now(), name, {"name": "Benchmark"})
        token = create_token(session, OPERATOR, now(), publisher_id=name, scopes=[Scope.PUBLISH])[0]
    ids = _some_packs(parts, packs)
    refresh_snapshot(parts.database, parts.storage, settings.name, settings.incoming, force=True)
    parts.database.close()
    return ids, name, token


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


def _upload(client: httpx.Client, archive: bytes) -> None:
    client.post("/api/v1/packs/upload", content=archive).raise_for_status()


def _get(client: httpx.Client, path: str) -> None:
    client.get(path).raise_for_status()


def _seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def measure(settings: Settings, packs: int) -> dict[str, Any]:
    """All of it, of one registry."""
    ids, name, token = prepare(settings, packs)
    starts = []
    for _ in range(STARTS):
        with served(settings) as server:
            starts.append(server.started)
    figures: dict[str, Any] = {"packs": packs, "start_s": statistics.median(starts)}
    with served(settings) as server:
        if http_load.available():
            figures |= measure_reads(server, ids)
        else:
            print(http_load.MISSING, file=sys.stderr)
        figures |= measure_search(server, Generator(packs).words)
        figures |= measure_publishing(server, name, token)
        figures |= measure_update(server, settings, ids)
        figures["memory_mib"] = server.memory()
    figures["database_mib"] = database_size(settings)
    return figures


def database_size(settings: Settings) -> float:
    """Mebibytes on disk."""
    database = Database(settings.database)
    try:
        if database.file is not None:
            return database.file.stat().st_size / 2**20
        with database.read() as session:
            return float(session.execute(text("SELECT pg_database_size(current_database())")).scalar_one()) / 2**20
    finally:
        database.close()


def is_empty(settings: Settings) -> bool:
    """Whether there is no registry yet."""
    database = Database(settings.database)
    try:
        migrate(database)
        with database.read() as session:
            return session.scalar(select(PackRow.id).limit(1)) is None
    finally:
        database.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packs", type=int, default=3000)
    parser.add_argument("--data", type=Path, help="a folder made by benchmarks.registry_seed; it is changed")
    parser.add_argument("--database-url", default="", help="a PostgreSQL database, empty or seeded, instead of SQLite")
    parser.add_argument("--no-rival", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data=options.data or Path(folder) / "data", database_url=options.database_url)
        if is_empty(settings):
            seed(settings.data, options.packs, options.database_url)
        figures = measure(settings, options.packs)
        if not options.no_rival and http_load.available():
            figures |= registry_rival.measure(Path(folder) / "files", options.packs)
            figures["times_pypiserver"] = figures["index_different_per_s"] / figures["pypiserver_per_s"]
    for name, value in figures.items():
        print(f"{name:28} {value:12.3f}" if isinstance(value, float) else f"{name:28} {value:12}")
    if options.json:
        options.json.write_text(json.dumps(figures), encoding="utf-8")


if __name__ == "__main__":
    main()
