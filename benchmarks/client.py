"""What the client costs: resolving, keeping the index, installing, comparing nodes, listing.

``python -m benchmarks.client [--json FILE] [--packs 100000] [--node-map FILE]``. Targets: 50 packs out of 100,000 in
0.5 s; a refresh in a hundredth of the traffic and time of paging the whole list; duplicates of 39,492 node ids in 1 s;
near duplicates over 60 packs in 30 s; ``comfy-nodes list`` in 0.3 s.
"""

from __future__ import annotations

import argparse
import http.server
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from packaging.specifiers import SpecifierSet

from registry_client.duplicates import Member, find_duplicates, read_node_map, read_packs
from registry_client.index.registries import Registries
from registry_client.requirements import Wanted
from registry_client.resolution.candidates import Policy
from registry_client.resolution.facts import HostFacts
from registry_client.resolution.resolve import resolve
from registry_client.settings import RegistrySettings
from sdk.registry import NodeClaim, Pack, Release, encode_pack
from sdk.similarity import near
from tests.support.registry_folder import RegistryFolder

PAGE, PAUSE = 30, 0.5
"""How the common client reads the whole list: packs a page, and seconds between pages."""
HOST = HostFacts(
    python="3.11.7", node_api="1.0", system="POSIX :: Linux", installed={"torch": "2.13.0", "numpy": "2.4.6"}
)
BUILT_IN = Path(__file__).parents[1] / "host" / "builtin_nodes"


def main() -> None:
    """Measure, print a table, and write the figures if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--packs", type=int, default=100_000)
    parser.add_argument("--comfy-cli", action="store_true", help="compare with comfy-cli, which uses port 8080")
    parser.add_argument("--node-map", type=Path, help="ComfyUI-Manager's extension-node-map.json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = index_figures(folder, arguments.packs)
        figures |= install_figures(folder / "installs", 20)
        if arguments.comfy_cli:
            figures |= comfy_cli_figures(folder / "comparison", 20)
        figures |= duplicate_figures(arguments.node_map)
        figures |= near_figures(folder / "near", 60)
        figures["list_seconds"] = list_seconds(folder / "installs" / "together")
    for key, value in figures.items():
        print(f"{key:<32}{value:>16,.3f}" if isinstance(value, float) else f"{key:<32}{value:>16,}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def index_figures(folder: Path, count: int) -> dict[str, Any]:
    """Reading a large index, keeping it up to date against paging it, and resolving from it."""
    registry = RegistryFolder(folder / "registry")
    registry.fill(made_packs(count))
    with served(registry.root) as (address, traffic):
        registries = Registries((RegistrySettings("test", address),), folder / "cache")
        first = clocked(lambda: registries.refresh(whole=True))
        whole = traffic["bytes"]
        for number in range(10):
            registry.publish(f"pack-{number}", Release(version="9.0", sha256="9" * 64, size=1, url="a.zip"))
        traffic["bytes"] = 0
        again = clocked(lambda: Registries((RegistrySettings("test", address),), folder / "cache").refresh(whole=True))
        refreshed = traffic["bytes"]
        paging_bytes, paging_seconds = paging(registry, folder / "pages")
        chosen = [Wanted(f"pack-{random.Random(n).randrange(count)}", SpecifierSet()) for n in range(50)]
        index = Registries((RegistrySettings("test", address),), folder / "cache", offline=True)
        seconds = clocked(lambda: resolve(chosen, index, HOST, Policy()))
    return {
        "first_read_seconds": first,
        "first_read_bytes": whole,
        "refresh_seconds": again,
        "refresh_bytes": refreshed,
        "paging_seconds": paging_seconds,
        "paging_bytes": paging_bytes,
        "paging_to_refresh_time": paging_seconds / again,
        "paging_to_refresh_traffic": paging_bytes / refreshed,
        "resolve_50_seconds": seconds,
    }


def paging(registry: RegistryFolder, folder: Path) -> tuple[int, float]:
    """Bytes and seconds of reading the list page by page: a hundred pages are fetched, and the others counted."""
    packs = list(registry.packs.values())
    folder.mkdir()
    pages = [packs[first : first + PAGE] for first in range(0, len(packs), PAGE)]
    contents = [b"[" + b",".join(map(encode_pack, page)) + b"]" for page in pages]
    sample = contents[:100]
    for number, content in enumerate(sample):
        (folder / f"{number}.json").write_bytes(content)
    with served(folder) as (address, _), httpx.Client() as client:
        fetching = clocked(lambda: [client.get(f"{address}/{n}.json").json() for n in range(len(sample))])
    return sum(map(len, contents)), len(contents) * (fetching / len(sample) + PAUSE)


def install_figures(folder: Path, count: int) -> dict[str, Any]:
    """Installing small packs at once, and one after another."""
    registry = RegistryFolder(folder / "registry")
    names = [f"small-{number}" for number in range(count)]
    for number, name in enumerate(names):
        registry.publish_pack(name, "1.0", nodes=[f"Small{number}"])

    def install(base: str, *packs: str) -> None:
        (folder / base / "models").mkdir(parents=True, exist_ok=True)
        places = ["--base-dir", str(folder / base), "--cache-dir", str(folder / f"{base}-cache"), "--json"]
        command(["install", *packs, "--registry", registry.url, *places])

    install("warm", names[0])
    return {
        "install_20_seconds": clocked(lambda: install("together", *names)),
        "install_20_one_by_one_seconds": clocked(lambda: [install("apart", name) for name in names]),
    }


def comfy_cli_figures(folder: Path, count: int) -> dict[str, Any]:
    """The same packs from one registry server, by our client at once, and by comfy-cli one after another."""
    from tests.e2e.registry_clients.conftest import Client
    from tests.e2e.registry_clients.workspace import write_workspace
    from tests.support.registry_packs import pack
    from tests.support.registry_process import registry_process

    for name in ("data", "comfy", "ours/models", "workspace"):
        (folder / name).mkdir(parents=True)
    (folder / "ours" / "comfy-packs.toml").write_text('accelerators = ["GPU :: NVIDIA CUDA"]\n', encoding="utf-8")
    names = [f"common-{number}" for number in range(count)]
    with registry_process(folder / "data", "--writes-per-minute", "0", port=8080) as registry:
        token = registry.publisher("acme")
        for number, name in enumerate(names):
            registry.upload(pack(name, "1.0.0", nodes=[f"Node of {name}"], salt=10 * number), token)
        comfy = Client("comfy-cli", "comfy", folder / "comfy")
        comfy.environment["ENVIRONMENT"] = "dev"
        workspace = write_workspace(folder / "workspace")
        line = ("--workspace", workspace, "node", "registry-install")
        codes: list[int] = []
        theirs = clocked(lambda: codes.extend(comfy(*line, name)[0] for name in names))
        places = ["--base-dir", str(folder / "ours"), "--cache-dir", str(folder / "cache"), "--registry", registry.url]
        command(
            ["install", names[0], "--dry-run", *places]
        )  # so that what the host has is known, as it is in daily use
        ours = clocked(lambda: command(["install", *names, *places]))
    if any(codes):
        raise SystemExit(f"comfy-cli could not install the packs: {codes}")
    return {"comfy_cli_20_seconds": theirs, "ours_20_seconds": ours, "comfy_cli_to_ours": theirs / ours}


def duplicate_figures(node_map: Path | None) -> dict[str, Any]:
    """Comparing the ids of a whole catalogue; a made-up one of the real one's size where none is given."""
    members = list(read_node_map(node_map)) if node_map else list(made_members(39_492))
    groups: list[Any] = []
    seconds = clocked(lambda: groups.extend(find_duplicates(members)))
    exact = sum(group.kind == "id" for group in groups)
    return {"duplicates_seconds": seconds, "duplicates_claims": len(members), "duplicates_exact": exact}


def near_figures(folder: Path, count: int) -> dict[str, Any]:
    """Reading and comparing packs whose code is that of built-in nodes, each part of it in several packs."""
    sources = sorted(
        path for path in BUILT_IN.rglob("*.py") if "def register_nodes" in path.read_text(encoding="utf-8")
    )
    for number in range(count):
        pack = folder / f"pack-{number}"
        pack.mkdir(parents=True)
        lines = [f'[project]\nname = "pack-{number}"\nversion = "1"\n[project.entry-points."comfy_nodes.packs"]']
        for place in range(8):
            shutil.copy(sources[(number * 5 + place) % len(sources)], pack / f"nodes_{place}.py")
            lines.append(f'nodes-{place} = "nodes_{place}"')
        (pack / "pyproject.toml").write_text("\n".join(lines), encoding="utf-8")
    members: list[Member] = []
    reading = clocked(lambda: members.extend(read_packs(folder)))
    comparing = clocked(lambda: find_duplicates(members, near))
    return {"near_60_seconds": reading + comparing, "near_60_nodes": len(members)}


def list_seconds(base: Path) -> float:
    """The best of five, each a process of its own."""
    return min(clocked(lambda: command(["list", "--json", "--base-dir", str(base)])) for _ in range(5))


def command(arguments: list[str]) -> None:
    """Run ``comfy-nodes``; raises CalledProcessError if it fails."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "host.cli", *arguments], check=True, capture_output=True, env=environment)


def clocked(do: Callable[[], object]) -> float:
    """Seconds it takes."""
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def made_packs(count: int) -> Iterator[Pack]:
    """Packs with three releases each; some need others, and libraries in ranges that go together."""
    chance = random.Random(1)
    for number in range(count):
        needs = (f"pack-{chance.randrange(count)}>=1",) if chance.random() < 0.2 else ()
        libraries = (f"lib-{chance.randrange(500)}>={chance.randrange(3)}",) if chance.random() < 0.6 else ()
        releases = tuple(
            Release(
                version=f"{major}.0",
                sha256=f"{number:032x}{major:032x}",
                size=10_000,
                url=f"archives/{number}.zip",
                packs=needs,
                dependencies=(*libraries, "numpy>=1.20"),
                nodes=(NodeClaim(id=f"Node{number}"),),
                published="2026-01-01T00:00:00Z",
            )
            for major in (1, 2, 3)
        )
        yield Pack(id=f"pack-{number}", name=f"Pack {number}", publisher="made", releases=releases)


def made_members(count: int) -> Iterator[Member]:
    """Node ids of which one in twenty is claimed twice."""
    for number in range(count):
        yield Member(f"pack-{number % 5896}", f"Node {number if number % 20 else number // 2}")


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, dict[str, int]]]:
    """A web server of a folder's files, and how many bytes of content it sent."""
    traffic = {"bytes": 0}

    class Handler(http.server.SimpleHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def copyfile(self, source: Any, outputfile: Any) -> None:
            content = source.read()
            traffic["bytes"] += len(content)
            outputfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", traffic
        server.shutdown()


if __name__ == "__main__":
    main()
