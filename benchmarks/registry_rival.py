"""pypiserver with as many projects and files as a registry has packs and versions, under the same load."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path

import httpx

from benchmarks import http_load

VERSION = "2.4.2"
VERSIONS = 4
SECONDS = 300


def measure(folder: Path, packs: int) -> dict[str, float]:
    """Reads a second of projects' pages, each time another one; nothing where it can't be installed."""
    program = _installed()
    if program is None:
        return {}
    folder.mkdir(parents=True)
    for number in range(packs):
        for minor in range(VERSIONS):
            (folder / f"pack_{number}-1.{minor}.0-py3-none-any.whl").write_bytes(b"x")
    port = _free_port()
    command = [str(program), "run", "-p", str(port), "-i", "127.0.0.1", "--disable-fallback", str(folder)]
    confined = partial(http_load.pin, http_load.server_core())
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=confined
    ) as process:
        try:
            root = f"http://127.0.0.1:{port}"
            _wait(f"{root}/simple/pack-0/")
            first = _wait(f"{root}/simple/pack-1/")
            paths = [f"/simple/pack-{number}/" for number in range(min(packs, 500))]
            found = http_load.load(root, paths, connections=4)
        finally:
            process.kill()
    rate = found.rate or 1 / first  # it may be so slow that no answer came while it was under load
    return {"pypiserver_per_s": rate, "pypiserver_p99_ms": found.p99, "pypiserver_page_s": first}


def _installed() -> Path | None:
    target = Path(__file__).parents[1] / "build" / "rivals" / f"pypiserver-{VERSION}"
    program = target / "bin" / "pypi-server"
    if program.is_file():
        return program
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(target)], check=True)
    wanted = [f"pypiserver=={VERSION}", "watchdog"]
    pip = [sys.executable, "-m", "pip", "--python", str(target), "install", "-q", *wanted]
    if subprocess.run(pip, check=False).returncode:
        shutil.rmtree(target)
        print(f"pypiserver could not be installed: {' '.join(pip)}", file=sys.stderr)
        return None
    return program


def _wait(url: str) -> float:
    began = time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        try:
            httpx.get(url, timeout=SECONDS, follow_redirects=True).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.05)
        else:
            return time.perf_counter() - began
    raise RuntimeError(f"{url} never answered")


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port: int = probe.getsockname()[1]
        return port
