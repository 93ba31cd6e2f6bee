"""Makes a publishable pack of a folder of ComfyUI nodes; the nodes' code is copied, not changed."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from sdk.authoring.errors import NotNew
from sdk.authoring.scaffold import PackNames, licence_text

HOST_PACKAGES = frozenset(
    {"torch", "torchvision", "torchaudio", "numpy", "pillow", "scipy", "safetensors", "transformers", "diffusers"}
)
"""What the host brings; a pack that pins them can't be installed beside others."""

_LEFT_OUT = frozenset({"__pycache__", ".git", ".hg", ".svn", ".venv", "venv", "node_modules", ".mypy_cache"})
_MANIFEST, _REQUIREMENTS = "pyproject.toml", "requirements.txt"


@dataclass(frozen=True)
class Wrapped:
    """A pack made of a ComfyUI pack.

    Attributes:
        files: by name.
        nodes: the ids found in the code.
        dropped: requirements that the host fulfils itself.
        unread: places where nodes can't be read without running the code.
    """

    files: Mapping[str, bytes]
    nodes: tuple[str, ...]
    dropped: tuple[str, ...]
    unread: tuple[str, ...]


def wrap(source: Path, names: PackNames, *, author: str, year: int) -> Wrapped:
    """The files of the new pack: all of the source's, with a complete manifest, a licence, a README and a test.

    Raises:
        NotNew: the source is no folder of Python, or its manifest is no TOML.
    """
    from sdk.inspection import inspect_pack

    if not (source / "__init__.py").is_file():
        raise NotNew(f"{source} has no __init__.py, so it is no ComfyUI pack")
    files = _files(source)
    inspection = inspect_pack(source)
    required, dropped = _requirements(files)
    manifest = _manifest(files, names, required)
    made = {_MANIFEST: _toml(manifest)}
    if _REQUIREMENTS in files:
        made[_REQUIREMENTS] = "".join(f"{line}\n" for line in required).encode()
    if not any(name.lower().startswith(("license", "licence")) for name in files):
        made["LICENSE"] = licence_text(author, year)
    if "README.md" not in files:
        made["README.md"] = _readme(names, [node.id for node in inspection.nodes]).encode()
    made["tests/test_pack.py"] = _test([node.id for node in inspection.nodes]).encode()
    return Wrapped(
        files={**files, **made},
        nodes=tuple(node.id for node in inspection.nodes),
        dropped=tuple(dropped),
        unread=tuple(f"{place.file}:{place.line}: {place.reason}" for place in inspection.unread),
    )


def _files(source: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for place, folders, names in os.walk(source):
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT)
        for name in sorted(names):
            path = Path(place) / name
            if path.is_symlink() or not path.is_file() or name.endswith((".pyc", ".pyo")):
                continue
            found[path.relative_to(source).as_posix()] = path.read_bytes()
    return found


def _requirements(files: Mapping[str, bytes]) -> tuple[list[str], list[str]]:
    """(what the pack needs, what it lists and the host has) of ``requirements.txt``; options and comments are left."""
    needed: list[str] = []
    dropped: list[str] = []
    for line in files.get(_REQUIREMENTS, b"").decode("utf-8", "replace").splitlines():
        text = re.sub(r"(^|\s)#.*", "", line).strip()
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        (dropped if canonicalize_name(requirement.name) in HOST_PACKAGES else needed).append(str(requirement))
    return needed, dropped


def _manifest(files: Mapping[str, bytes], names: PackNames, required: list[str]) -> dict[str, Any]:
    try:
        data = tomllib.loads(files.get(_MANIFEST, b"").decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise NotNew(f"the source's {_MANIFEST} is no valid TOML ({error})") from error
    project: dict[str, Any] = {"version": "1.0.0", "description": f"{names.title}.", **data.get("project", {})}
    project["name"] = names.name
    project.setdefault("license", {"file": "LICENSE"})
    listed = project.get("dependencies", required)
    project["dependencies"] = [text for text in listed if _name_of(text) not in HOST_PACKAGES]
    comfy = {"PublisherId": "", "DisplayName": names.title, **data.get("tool", {}).get("comfy", {})}
    testing = {"testpaths": ["tests"], "filterwarnings": ["error"]}
    tool = {"pytest": {"ini_options": testing}, **data.get("tool", {}), "comfy": comfy}
    return {**data, "project": project, "tool": tool}


def _name_of(text: str) -> str:
    try:
        return canonicalize_name(Requirement(text).name)
    except InvalidRequirement:
        return ""


def _toml(data: dict[str, Any]) -> bytes:
    import tomli_w

    return tomli_w.dumps(data).encode()


def _readme(names: PackNames, nodes: list[str]) -> str:
    listed = "\n".join(f"| `{node}` |" for node in nodes)
    return f"# {names.title}\n\nNodes for ComfyUI, as a pack.\n\n| node |\n|---|\n{listed}\n"


def _test(nodes: list[str]) -> str:
    listed = "".join(f'    "{node}",\n' for node in nodes)
    return (
        '"""The pack still provides every node that workflows know; a lost id breaks them."""\n\n'
        "from __future__ import annotations\n\n"
        "from pathlib import Path\n\n"
        "from sdk.inspection import inspect_pack\n\n"
        f"NODES = [\n{listed}]\n\n\n"
        "def test_no_node_is_lost() -> None:\n"
        "    found = {node.id for node in inspect_pack(Path(__file__).parents[1]).nodes}\n"
        "    assert sorted(set(NODES) - found) == []\n"
    )
