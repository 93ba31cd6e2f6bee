"""``folder_paths``: where models lie, and where files are read from and written to."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from host.comfyui.folder_lists import SUFFIXES, FolderLists, files_below, with_suffixes
from host.comfyui.home import Home, home
from host.comfyui.offered import UnknownName
from host.folders import ANNOTATED, LocalFolders
from sdk.errors import NodeError

__all__ = [
    "add_model_folder_path",
    "annotated_filepath",
    "exists_annotated_filepath",
    "filter_files_content_types",
    "filter_files_extensions",
    "get_annotated_filepath",
    "get_directory_by_type",
    "get_filename_list",
    "get_folder_paths",
    "get_full_path",
    "get_full_path_or_raise",
    "get_input_directory",
    "get_input_subfolders",
    "get_output_directory",
    "get_save_image_path",
    "get_temp_directory",
    "get_user_directory",
    "recursive_search",
    "supported_pt_extensions",
]

supported_pt_extensions: set[str] = set(SUFFIXES)
_ROOTS = ("input", "output", "temp")


def __getattr__(name: str) -> Any:
    """What depends on the host: its folders as text, and the table of the folders of models."""
    here = home()
    if name == "folder_names_and_paths":
        return _lists()
    if name in ("models_dir", "base_path"):
        return str(here.models if name == "models_dir" else here.base)
    root, _, rest = name.partition("_")
    if rest == "directory" and root in (*_ROOTS, "user"):
        return str(here.folders.root(root))
    raise UnknownName(name)


def get_filename_list(folder_name: str) -> list[str]:
    """Names of the files of a kind of model, sorted; KeyError for a kind that nobody declared."""
    return _lists().names(folder_name)


def get_folder_paths(folder_name: str) -> list[str]:
    """The folders of a kind of model, those first where new files should go; KeyError for an unknown kind."""
    return list(_lists()[folder_name][0])


def get_full_path(folder_name: str, filename: str) -> str | None:
    """The path of a kind's file; None where there is none, or the kind is unknown."""
    lists = _lists()
    return lists.find(folder_name, filename) if folder_name in lists else None


def get_full_path_or_raise(folder_name: str, filename: str) -> str:
    """The path of a kind's file; FileNotFoundError, which says where it was looked for, where there is none."""
    path = get_full_path(folder_name, filename)
    if path is None:
        lists = _lists()
        places = ", ".join(lists[folder_name][0]) if folder_name in lists else "no folder: the kind is unknown"
        raise FileNotFoundError(f"There is no file {filename!r} among {folder_name!r} (looked in {places}).")
    return path


def add_model_folder_path(folder_name: str, full_folder_path: str, is_default: bool = False) -> None:
    """Look for a kind's files in this folder, too; first of all where ``is_default``. The kind may be a new one."""
    _lists().add(folder_name, str(full_folder_path), first=is_default)


def get_input_directory() -> str:
    return str(home().folders.root("input"))


def get_output_directory() -> str:
    return str(home().folders.root("output"))


def get_temp_directory() -> str:
    return str(home().folders.root("temp"))


def get_user_directory() -> str:
    return str(home().folders.root("user"))


def get_directory_by_type(type_name: str) -> str | None:
    """The input, output or temporary folder by that name; None for any other."""
    return str(home().folders.root(type_name)) if type_name in _ROOTS else None


def annotated_filepath(name: str) -> tuple[str, str | None]:
    """The name without its mark ``[input]``, ``[output]`` or ``[temp]``, and the folder that it means, or None."""
    marked = ANNOTATED.fullmatch(name)
    return (marked["name"], get_directory_by_type(marked["root"])) if marked else (name, None)


def get_annotated_filepath(name: str, default_dir: str | None = None) -> str:
    """Where a file lies: in the folder its mark names, else in ``default_dir`` or the input folder.

    It need not exist. Raises NodeError for a name that leads out of the folder.
    """
    bare, folder = annotated_filepath(name)
    return str(_inside(folder or default_dir or get_input_directory()).inside("input", bare))


def exists_annotated_filepath(name: str) -> bool:
    """Whether the file is there; False, too, for a name that leads out of its folder."""
    try:
        return os.path.exists(get_annotated_filepath(name))
    except (NodeError, OSError):
        return False


def get_save_image_path(
    filename_prefix: str, output_dir: str, image_width: int = 0, image_height: int = 0
) -> tuple[str, str, int, str, str]:
    """Where the next numbered file of a prefix goes: (folder, stem, first free number, sub-folder, prefix).

    The folder is made. Raises NodeError for a prefix that leads out of ``output_dir``, or if it can't be made.
    """
    place = _inside(output_dir).place(filename_prefix, root="input", size=(int(image_width), int(image_height)))
    prefix = os.path.join(place.subfolder, place.stem) if place.subfolder else place.stem
    return str(place.folder), place.stem, place.counter, place.subfolder, prefix


def get_input_subfolders() -> list[str]:
    """The folders below the input folder, relative to it, sorted."""
    root = get_input_directory()
    found = (os.path.relpath(parent, root) for parent, _, _ in os.walk(root))
    return sorted(name.replace(os.sep, "/") for name in found if name != ".")


def recursive_search(
    directory: str, excluded_dir_names: Iterable[str] | None = None
) -> tuple[list[str], dict[str, float]]:
    """Names of the files below a folder, and the times at which its folders were last changed, by path."""
    excluded = set(excluded_dir_names or ())
    files = [name for name in files_below(directory) if excluded.isdisjoint(Path(name).parts[:-1])]
    parents = {directory, *(os.path.dirname(os.path.join(directory, name)) for name in files)}
    return files, {parent: os.path.getmtime(parent) for parent in parents if os.path.isdir(parent)}


def filter_files_extensions(files: Iterable[str], extensions: Iterable[str]) -> list[str]:
    """Those files, sorted, whose suffix is one of these; all where there are none."""
    return sorted(with_suffixes(files, extensions))


def filter_files_content_types(files: Iterable[str], content_types: Iterable[str]) -> list[str]:
    """Those files whose names say that they are an ``image``, ``video``, ``audio`` or ``model``."""
    wanted = set(content_types)
    return [name for name in files if _content_type(name) in wanted]


def _content_type(name: str) -> str | None:
    if os.path.splitext(name)[1].lower() in (".gltf", ".glb", ".obj", ".fbx", ".stl"):
        return "model"
    kind, _ = mimetypes.guess_type(name, strict=False)
    return kind.partition("/")[0] if kind else "image" if name.lower().endswith(".webp") else None


def _inside(folder: str) -> LocalFolders:
    """What keeps names inside a folder that a pack chose."""
    here = home()
    return LocalFolders(here.base, here.library, elsewhere={"input": Path(folder)})


def _lists() -> FolderLists:
    here: Home = home()
    return here.folder_lists
