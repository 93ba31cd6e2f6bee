"""The files of a new pack, and writing them whole or not at all."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from sdk.authoring.errors import NotNew
from sdk.pack_ids import is_pack_id
from sdk.part_files import remove_stale_parts
from sdk.whole_files import whole_folder

_TEMPLATES = {
    "pyproject.toml": "pyproject.toml.tmpl",
    "README.md": "README.md.tmpl",
    "LICENSE": "licence.tmpl",
    ".gitignore": "gitignore.tmpl",
    "{{module}}/__init__.py": "package.py.tmpl",
    "{{module}}/hooks.py": "hooks.py.tmpl",
    "{{module}}/nodes.py": "nodes.py.tmpl",
    "tests/test_nodes.py": "test_nodes.py.tmpl",
    "workflows/tint.json": "workflow.json.tmpl",
}


@dataclass(frozen=True)
class PackNames:
    """One name in the forms that a pack needs.

    Attributes:
        name: of the pack, ``acme-tint``.
        module: of its Python package, ``acme_tint``.
        title: for people, ``Acme tint``.
        prefix: of its nodes' ids, ``AcmeTint``.
    """

    name: str
    module: str
    title: str
    prefix: str


def names_for(name: str) -> PackNames:
    """The forms of a pack's name.

    Raises:
        NotNew: it is no pack's name, or its module would hide another one.
    """
    if not is_pack_id(name):
        raise NotNew(
            f"{name!r} can't be a pack's name; use 1 to 100 letters, digits, '.', '_' or '-', beginning and ending "
            "with a letter or digit"
        )
    words = re.split(r"[._-]+", name)
    module = "_".join(words).lower()
    if not module.isidentifier() or keyword.iskeyword(module):
        raise NotNew(f"{name!r} gives the module name {module!r}, which Python does not allow; choose another name")
    if module in sys.stdlib_module_names or importlib.util.find_spec(module) is not None:
        raise NotNew(f"the module {module!r} is already taken by an installed package; choose another name")
    title = " ".join(words)
    return PackNames(name, module, title[:1].upper() + title[1:], "".join(w[:1].upper() + w[1:] for w in words))


def new_files(names: PackNames, *, author: str, year: int) -> dict[str, bytes]:
    """The files of a new pack by their names in its folder."""
    values = {**vars(names), "author": author, "year": str(year)}
    folder = resources.files("sdk.authoring") / "templates"
    return {
        _filled(target, values): _filled((folder / source).read_text(encoding="utf-8"), values).encode()
        for target, source in _TEMPLATES.items()
    }


def licence_text(author: str, year: int) -> bytes:
    """The licence that new packs get."""
    template = resources.files("sdk.authoring") / "templates" / _TEMPLATES["LICENSE"]
    return _filled(template.read_text(encoding="utf-8"), {"author": author, "year": str(year)}).encode()


def write_new(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files into a folder that does not exist yet, or is empty; it appears complete.

    Raises:
        NotNew: something is there, or can't be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise NotNew(f"{folder} is there already and is not empty")
    try:
        remove_stale_parts(folder.parent)
        with whole_folder(folder) as part:
            for name, content in files.items():
                path = part / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
    except OSError as error:
        raise NotNew(f"{folder} can't be written ({error.strerror or error})") from error


def _filled(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: values[found[1]], text)
