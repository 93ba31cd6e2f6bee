"""A pack's manifest, read from its ``pyproject.toml`` without running any of its code.

``[project]`` says what every Python tool knows, ``[tool.comfy]`` what the Comfy Registry knows, and
``[tool.comfy-nodes]`` what only this platform knows: ``packs`` (requirements on other packs), ``host-api``
(range of the node API), ``permissions``.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from sdk.errors import ManifestError
from sdk.pack_ids import is_pack_id
from sdk.python_requirements import parse_requirement

_COMFY_RANGE = re.compile(r"(==|>=|<=|!=|~=|>|<|<>|=)?\s*\d+\.\d+\.\d+(-[A-Za-z0-9]+)?")
_VERSION_ASSIGNMENT = re.compile(r"^(?:__version__|VERSION)\s*=\s*['\"]([^'\"]+)['\"]", re.MULTILINE)
_SYSTEMS = ("Microsoft", "POSIX", "MacOS", "OS Independent")
_ACCELERATORS = (
    "GPU :: NVIDIA CUDA",
    "GPU :: AMD ROCm",
    "GPU :: Intel Arc",
    "NPU :: Huawei Ascend",
    "GPU :: Apple Metal",
)


@dataclass(frozen=True, kw_only=True)
class PackManifest:
    """What a pack says of itself.

    Attributes:
        name: ``[project].name``; also the registry's id.
        packs: requirements on other packs, such as ``other>=1``.
        host_api: range of node API versions the pack works with.
        requires_comfyui: as the Comfy Registry wants it, "" where absent or unusable.
        systems, accelerators: from the classifiers, prefixes stripped.
        entry_points: of the group in which packs are found, name to object reference.
    """

    name: str
    version: str
    description: str = ""
    display_name: str = ""
    publisher: str = ""
    icon: str = ""
    banner: str = ""
    license: Mapping[str, str] = field(default_factory=dict)
    repository: str = ""
    requires_python: str = ""
    dependencies: tuple[str, ...] = ()
    packs: tuple[str, ...] = ()
    host_api: str = ""
    requires_comfyui: str = ""
    requires_frontend: str = ""
    systems: tuple[str, ...] = ()
    accelerators: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()
    web: str = ""
    entry_points: Mapping[str, str] = field(default_factory=dict)


def read_manifest(folder: Path) -> PackManifest:
    """Read ``folder/pyproject.toml``.

    Raises:
        ManifestError: the file is missing, is no TOML, or has faults; all of them are listed.
    """
    path = folder / "pyproject.toml"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ManifestError(
            str(path), ["there is no such file; a pack needs one with [project] name and version"]
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestError(str(path), [f"it is no valid TOML: {error}"]) from error
    except OSError as error:
        raise ManifestError(str(path), [f"it can't be read: {error}"]) from error
    return parse_manifest(data, folder, str(path))


def parse_manifest(data: Mapping[str, Any], folder: Path, where: str) -> PackManifest:
    """The manifest in parsed TOML; ``folder`` is where a dynamic version's file is looked up."""
    problems: list[str] = []
    project, tool = _table(data, "project", problems), _table(data, "tool", problems)
    comfy, ours = _table(tool, "comfy", problems), _table(tool, "comfy-nodes", problems)
    dependencies, frontend = _split_frontend(_strings(project, "dependencies", problems))
    classifiers = _strings(project, "classifiers", problems)
    manifest = PackManifest(
        name=_name(project, problems),
        version=_version(project, comfy, folder, problems),
        description=_text(project, "description", problems),
        display_name=_text(comfy, "DisplayName", problems),
        publisher=_text(comfy, "PublisherId", problems),
        icon=_text(comfy, "Icon", problems),
        banner=_text(comfy, "Banner", problems),
        license=_license(project, problems),
        repository=_text(_table(project, "urls", problems), "Repository", problems),
        requires_python=_range(project, "requires-python", problems),
        dependencies=_requirements(dependencies, "project.dependencies", problems),
        packs=_requirements(_strings(ours, "packs", problems), "tool.comfy-nodes.packs", problems),
        host_api=_range(ours, "host-api", problems),
        requires_comfyui=_comfy_range(_text(comfy, "requires-comfyui", problems)),
        requires_frontend=frontend,
        systems=tuple(c[len("Operating System :: ") :] for c in classifiers if _is_system(c)),
        accelerators=tuple(
            c[len("Environment :: ") :] for c in classifiers if c[len("Environment :: ") :] in _ACCELERATORS
        ),
        includes=_strings(comfy, "includes", problems),
        permissions=_strings(ours, "permissions", problems),
        web=_text(comfy, "web", problems),
        entry_points=_entry_points(project, problems),
    )
    if problems:
        raise ManifestError(where, problems)
    return manifest


def _table(data: Mapping[str, Any], key: str, problems: list[str]) -> Mapping[str, Any]:
    value = data.get(key, {})
    if isinstance(value, Mapping):
        return value
    problems.append(f"{key} must be a table")
    return {}


def _text(table: Mapping[str, Any], key: str, problems: list[str]) -> str:
    value = table.get(key, "")
    if isinstance(value, str):
        return value
    problems.append(f"{key} must be a string")
    return ""


def _strings(table: Mapping[str, Any], key: str, problems: list[str]) -> tuple[str, ...]:
    value = table.get(key, [])
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    problems.append(f"{key} must be a list of strings")
    return ()


def _name(project: Mapping[str, Any], problems: list[str]) -> str:
    name = _text(project, "name", problems)
    if not is_pack_id(name):
        problems.append(
            f"project.name {name!r} must be 1 to 100 letters, digits, '.', '_' or '-', "
            "beginning and ending with a letter or digit"
        )
    return name


def _version(project: Mapping[str, Any], comfy: Mapping[str, Any], folder: Path, problems: list[str]) -> str:
    text = _text(project, "version", problems)
    if not text and "version" in _strings(project, "dynamic", problems):
        text = _dynamic_version(_table(comfy, "version", problems), folder, problems)
    try:
        Version(text)
        is_version = text == text.strip()
    except ValueError:  # also numbers with more digits than Python reads
        is_version = False
    if not is_version:
        problems.append(f"project.version {_shown(text)} is no version; write for example 1.0.0")
    return text


def _dynamic_version(table: Mapping[str, Any], folder: Path, problems: list[str]) -> str:
    path = (folder / _text(table, "path", problems)).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        problems.append("the version is dynamic, but tool.comfy.version.path names no file of the pack")
        return ""
    found = _VERSION_ASSIGNMENT.search(path.read_text(encoding="utf-8", errors="replace"))
    return found.group(1) if found else ""


def _license(project: Mapping[str, Any], problems: list[str]) -> Mapping[str, str]:
    value = project.get("license", {})
    if isinstance(value, str):
        return {"text": value}
    if isinstance(value, Mapping):
        return {key: str(value[key]) for key in ("file", "text") if key in value}
    problems.append("project.license must be a string or a table with `file` or `text`")
    return {}


def _range(table: Mapping[str, Any], key: str, problems: list[str]) -> str:
    text = _text(table, key, problems)
    try:
        SpecifierSet(text).contains("1")  # only this reads the versions in it
    except ValueError:
        problems.append(f"{key} {_shown(text)} is no version range; write for example >=1.0,<2")
    return text


def _requirements(texts: tuple[str, ...], where: str, problems: list[str]) -> tuple[str, ...]:
    for text in texts:
        try:
            parse_requirement(text)
        except ValueError as error:
            problems.append(f"{where}: {_shown(text)} is no requirement ({error})")
    return texts


def _shown(text: str) -> str:
    return repr(text if len(text) <= 100 else f"{text[:99]}…")


def _split_frontend(dependencies: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """The front end's range is listed among the dependencies but is not one."""
    prefix = "comfyui-frontend-package"
    ranges = [item[len(prefix) :].strip() for item in dependencies if item.startswith(prefix)]
    return tuple(item for item in dependencies if not item.startswith(prefix)), ranges[0] if ranges else ""


def _comfy_range(text: str) -> str:
    parts = [part.strip() for part in text.split(",")]
    return text if text and all(_COMFY_RANGE.fullmatch(part) for part in parts) else ""


def _is_system(classifier: str) -> bool:
    prefix = "Operating System :: "
    return classifier.startswith(prefix) and classifier[len(prefix) :].startswith(_SYSTEMS)


def _entry_points(project: Mapping[str, Any], problems: list[str]) -> Mapping[str, str]:
    group = _table(_table(project, "entry-points", problems), "comfy_nodes.packs", problems)
    return {key: value for key, value in group.items() if isinstance(value, str)}
