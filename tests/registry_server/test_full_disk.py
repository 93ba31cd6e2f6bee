"""A disk that is really full."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.registry import bearer
from tests.support.registry_packs import pack
from tests.support.registry_process import RegistryProcess, registry_process

pytestmark = pytest.mark.e2e
MEBIBYTE = 2**20
SIZE = 12
ARCHIVE = 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of twelve MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", str(folder)]
    ended = subprocess.run(mounting, capture_output=True, text=True)
    if ended.returncode:
        pytest.skip(f"a small file system can't be mounted here ({ended.stderr.strip()}): run as root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def archive(version: str) -> bytes:
    """Two MiB that can't be made smaller."""
    return pack(version=version, files={"data.bin": random.Random(version).randbytes(ARCHIVE * MEBIBYTE)})


def fill(path: Path) -> None:
    """Write until nothing more can be written."""
    with path.open("wb", buffering=0) as writing:
        while True:
            writing.write(bytes(65_536))


def upload(registry: RegistryProcess, token: str, version: str) -> httpx.Response:
    return httpx.post(
        f"{registry.url}/api/v1/packs/upload", content=archive(version), headers=bearer(token), timeout=60
    )


def test_a_full_disk_refuses_uploads_and_loses_nothing(small_disk: Path) -> None:
    with registry_process(small_disk) as registry:
        token = registry.publisher("acme")
        assert upload(registry, token, "1.0.0").status_code == 201
        filler = small_disk / "filler"
        with pytest.raises(OSError, match="No space"):
            fill(filler)
        for left in (0, ARCHIVE + 1, 2 * ARCHIVE + 1):
            with filler.open("r+b") as cutting:
                cutting.truncate(max(filler.stat().st_size - (MEBIBYTE * left), 0))
            answer = upload(registry, token, "2.0.0")
            if answer.status_code == 201:
                break
            assert (answer.status_code, answer.json()["error"]) == (503, "UNAVAILABLE"), answer.text
            assert httpx.get(f"{registry.url}/nodes/probe-pack/versions/2.0.0").status_code == 404
            assert list((small_disk / "incoming").iterdir()) == []
        filler.unlink()
        if answer.status_code != 201:
            assert upload(registry, token, "2.0.0").status_code == 201
        versions = httpx.get(f"{registry.url}/nodes/probe-pack/versions").json()
        assert [version["version"] for version in versions] == ["2.0.0", "1.0.0"]
        for version in versions:
            assert httpx.get(version["downloadUrl"]).content == archive(version["version"])
