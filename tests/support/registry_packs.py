"""Small packs as zips, for publishing."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence

NODE = '''
class {name}:
    """Does little."""

    CATEGORY = "tests"
    RETURN_TYPES = ("INT",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {{"required": {{"value": ("INT", {{"default": 1, "min": 0, "max": {salt}}})}}}}

    def run(self, value):
        return (value + {salt},)
'''


def manifest(
    name: str = "probe-pack",
    version: str = "1.0.0",
    *,
    publisher: str = "acme",
    dependencies: Sequence[str] = (),
    packs: Sequence[str] = (),
    extra: str = "",
) -> str:
    """A pack's ``pyproject.toml``."""
    return f"""
[project]
name = "{name}"
version = "{version}"
description = "A pack for probing"
license = "MIT"
dependencies = {list(dependencies)!r}
classifiers = ["Operating System :: OS Independent", "Environment :: GPU :: NVIDIA CUDA"]
requires-python = ">=3.10"
[project.urls]
Repository = "https://example.com/{name}"
[tool.comfy]
PublisherId = "{publisher}"
DisplayName = "Probe Pack"
Icon = "https://example.com/icon.png"
requires-comfyui = ">=0.3.0"
[tool.comfy-nodes]
packs = {list(packs)!r}
permissions = ["network"]
{extra}
"""


def nodes_module(nodes: Sequence[str], salt: int = 7) -> str:
    """An ``__init__.py`` that provides nodes of these ids; another ``salt`` is other code."""
    classes = "".join(NODE.format(name=f"Node{number}", salt=salt + number) for number in range(len(nodes)))
    mapped = ", ".join(f"{node_id!r}: Node{number}" for number, node_id in enumerate(nodes))
    return f"{classes}\nNODE_CLASS_MAPPINGS = {{{mapped}}}\n"


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    """A zip of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def pack(
    name: str = "probe-pack",
    version: str = "1.0.0",
    nodes: Sequence[str] = ("ProbeNode",),
    files: Mapping[str, str | bytes] | None = None,
    salt: int = 7,
    **fields: object,
) -> bytes:
    """A whole pack."""
    content: dict[str, str | bytes] = {
        "pyproject.toml": manifest(name, version, **fields),  # type: ignore[arg-type]
        "__init__.py": nodes_module(nodes, salt),
        "README.md": f"# {name}\n\nReads nothing, writes nothing.\n",
        "LICENSE": "MIT\n",
    }
    return zipped(content | dict(files or {}))
