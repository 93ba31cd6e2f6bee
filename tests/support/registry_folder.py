"""Writes a registry as a folder of files: a real one, as a server exports it."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import zstandard

from sdk.registry import (
    CHANGES_PER_PAGE,
    CONFIG_PATH,
    FORMAT,
    SNAPSHOT_PATH,
    Change,
    IndexConfig,
    NodeClaim,
    Pack,
    Release,
    changes_page_path,
    digest,
    encode_changes,
    encode_config,
    encode_pack,
    fold,
    pack_path,
    pinned_pack_path,
)

NODES = '''"""Nodes of a pack that tests install."""
{imports}
from sdk import hookimpl, node

{nodes}

@hookimpl
def register_nodes():
    return [{names}]
'''
NODE = '''
@node(id={id!r}, category="tests")
def {name}(text: str = "") -> str:
    """Gives the text back.

    Args:
        text: anything.
    """
    return text + {suffix!r}

'''


class RegistryFolder:
    """A registry beneath ``root``; every ``publish`` is one change."""

    def __init__(self, root: Path, name: str = "test") -> None:
        self.root, self.name = root, name
        self.packs: dict[str, Pack] = {}
        self.changes: list[Change] = []
        self.root.mkdir(parents=True, exist_ok=True)
        self._write_config(0)

    @property
    def url(self) -> str:
        return self.root.absolute().as_uri()

    def publish(self, pack_id: str, release: Release) -> Release:
        """Add a release whose archive is known already, or is not needed."""
        pack = self.packs.get(fold(pack_id), Pack(id=pack_id, name=pack_id.title(), publisher="tests"))
        others = tuple(r for r in pack.releases if r.version != release.version)
        self.put(replace(pack, releases=(*others, release)), "published", release.version)
        return release

    def publish_pack(self, pack_id: str, version: str, *, nodes: Iterable[str] = (), **facts: object) -> Release:
        """Add a release with a real archive that offers these nodes."""
        ids = tuple(nodes)
        extra = facts.pop("files", {})
        content = pack_files(pack_id, version, ids, str(facts.pop("imports", "")))
        assert isinstance(extra, Mapping)
        archive = zip_bytes({**content, **extra})
        sha256 = hashlib.sha256(archive).hexdigest()
        url = f"archives/{sha256[:2]}/{sha256}/{pack_id}-{version}.zip"
        self.write(url, archive)
        claims = tuple(NodeClaim(id=node) for node in ids)
        release = Release(
            version=version,
            sha256=sha256,
            size=len(archive),
            url=url,
            nodes=claims,
            published="2026-01-01T00:00:00Z",
        )
        return self.publish(pack_id, replace(release, **facts))  # type: ignore[arg-type]

    def put(self, pack: Pack, kind: str = "metadata", version: str = "") -> None:
        """Put a pack as it is now."""
        self.packs[fold(pack.id)] = pack
        document = encode_pack(pack)
        self.write(pack_path(pack.id), document)
        self.write(pinned_pack_path(pack.id, digest(document)), document)
        self._change(Change(serial=0, kind=kind, pack=pack.id, version=version, digest=digest(document)))

    def remove(self, pack_id: str) -> None:
        """Remove a pack."""
        pack = self.packs.pop(fold(pack_id))
        (self.root / pack_path(pack_id)).unlink()
        self._change(Change(serial=0, kind="removed", pack=pack.id))

    def write_snapshot(self) -> None:
        """Write the snapshot as of now."""
        lines = [encode_config(self._config(len(self.changes))), *map(encode_pack, self.packs.values())]
        self.write(SNAPSHOT_PATH, zstandard.compress(b"\n".join(lines) + b"\n"))
        self._write_config(len(self.changes))

    def fill(self, packs: Iterable[Pack]) -> None:
        """Put many packs at once, with a snapshot and without one file for each."""
        for pack in packs:
            self.packs[fold(pack.id)] = pack
            self.changes.append(
                Change(serial=len(self.changes) + 1, kind="published", pack=pack.id, digest=digest(encode_pack(pack)))
            )
        self.write_snapshot()

    def write(self, path: str, content: bytes) -> None:
        """Write a file of the registry."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def _change(self, change: Change) -> None:
        serial = len(self.changes) + 1
        self.changes.append(replace(change, serial=serial))
        first = (serial - 1) // CHANGES_PER_PAGE * CHANGES_PER_PAGE
        self.write(changes_page_path(serial), encode_changes(self.changes[first:]))
        self._write_config(self._snapshot)

    def _config(self, snapshot: int) -> IndexConfig:
        return IndexConfig(
            format=FORMAT,
            serial=len(self.changes),
            name=self.name,
            packs=len(self.packs),
            snapshot_serial=snapshot,
        )

    def _write_config(self, snapshot: int) -> None:
        self._snapshot = snapshot
        self.write(CONFIG_PATH, encode_config(self._config(snapshot)))


def pack_files(pack_id: str, version: str, nodes: Iterable[str] = (), imports: str = "") -> dict[str, str]:
    """The files of a pack that works, with these nodes."""
    module = "pack_" + fold(pack_id).replace("-", "_")
    ids = list(nodes)
    names = [f"node_{number}" for number in range(len(ids))]
    functions = "".join(
        NODE.format(id=node, name=name, suffix=f" {pack_id} {version}") for node, name in zip(ids, names, strict=True)
    )
    manifest = (
        f'[project]\nname = "{pack_id}"\nversion = "{version}"\n'
        f'[project.entry-points."comfy_nodes.packs"]\nnodes = "{module}"\n'
    )
    code = NODES.format(imports=imports, nodes=functions, names=", ".join(names))
    return {"pyproject.toml": manifest, f"{module}.py": code}


def write_pack(folder: Path, pack_id: str, version: str, nodes: Iterable[str] = (), **files: str) -> Path:
    """Write a pack into a folder."""
    for name, content in {**pack_files(pack_id, version, nodes), **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def zip_bytes(files: Mapping[str, str | bytes]) -> bytes:
    """An archive of these files, the same bytes every time."""
    import io

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(files):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), files[name])
    return buffer.getvalue()


def write_wheel(
    folder: Path, name: str, version: str, modules: Mapping[str, str], requires: Iterable[str] = ()
) -> Path:
    """A wheel with these modules."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    lines = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}", *(f"Requires-Dist: {r}" for r in requires)]
    files = {
        **modules,
        f"{info}/METADATA": "\n".join(lines) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stem}-py3-none-any.whl"
    path.write_bytes(zip_bytes({**files, f"{info}/RECORD": record}))
    return path


def as_json(content: bytes) -> object:
    """The value in a document."""
    return json.loads(content)
