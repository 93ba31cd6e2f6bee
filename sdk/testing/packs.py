"""Write a small pack into a folder, as an author would have it on disk."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

PYPROJECT = """\
[project]
name = "{name}"
version = "{version}"
dependencies = []

[project.entry-points."comfy_nodes.packs"]
"{name}" = "{module}"
"""


def write_pack(folder: Path, name: str, code: str, *, version: str = "1.0.0", module: str | None = None) -> Path:
    """Write a pack of one module and return its folder.

    Args:
        folder: where the pack's own folder is made.
        name: the pack's name.
        code: source of its module; common indentation is removed.
        module: the module's name; by default the pack's, with underscores.
    """
    module = module or name.replace("-", "_").replace(".", "_")
    pack = folder / name
    pack.mkdir(parents=True)
    (pack / "pyproject.toml").write_text(PYPROJECT.format(name=name, version=version, module=module), encoding="utf-8")
    (pack / f"{module}.py").write_text(dedent(code), encoding="utf-8")
    return pack
