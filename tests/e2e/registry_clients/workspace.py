"""A folder that clients of the registry take for a ComfyUI: what they look for, and import, is there."""

from __future__ import annotations

from pathlib import Path

FOLDER_PATHS = """
import os

base_path = os.path.dirname(os.path.abspath(__file__))
models_dir = os.path.join(base_path, "models")
user_directory = os.path.join(base_path, "user")
folder_names_and_paths = {"custom_nodes": ([os.path.join(base_path, "custom_nodes")], set())}


def get_folder_paths(name):
    return list(folder_names_and_paths[name][0])


def get_filename_list(name):
    return []


def add_model_folder_path(name, path, is_default=False):
    folder_names_and_paths.setdefault(name, ([], set()))[0].append(path)


def get_system_user_directory(name):
    return os.path.join(user_directory, "__" + name)
"""
OPTIONS = """
def enable_args_parsing(enable=True):
    return None
"""
ARGUMENTS = """
from types import SimpleNamespace

args = SimpleNamespace(enable_manager=False, enable_manager_legacy_ui=False, listen="127.0.0.1")
"""
EXTRA_CONFIG = """
def load_extra_path_config(path):
    return None
"""
DOWNLOADS = '''
"""What ComfyUI-Manager uses of torchvision, which asks for the same file twice."""

import os
from urllib.request import Request, urlopen


def download_url(url, root, filename):
    for headers in ({"Method": "HEAD", "User-Agent": "pytorch/vision"}, {"User-Agent": "pytorch/vision"}):
        with urlopen(Request(url, headers=headers)) as answer:
            content = answer.read()
    with open(os.path.join(root, filename), "wb") as writing:
        writing.write(content)
'''
FILES = {
    "main.py": "",
    "nodes.py": "NODE_CLASS_MAPPINGS = {}\n",
    "requirements.txt": "",
    "folder_paths.py": FOLDER_PATHS,
    "comfy/__init__.py": "",
    "comfy/cli_args.py": ARGUMENTS,
    "comfy/options.py": OPTIONS,
    "comfy_extras/__init__.py": "",
    "comfy_api/__init__.py": "",
    "utils/__init__.py": "",
    "utils/extra_config.py": EXTRA_CONFIG,
    "torchvision/__init__.py": "",
    "torchvision/datasets/__init__.py": "",
    "torchvision/datasets/utils.py": DOWNLOADS,
}


def write_workspace(folder: Path) -> Path:
    """Make such a folder."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.lstrip(), encoding="utf-8")
    for name in ("custom_nodes", "models", "user"):
        (folder / name).mkdir()
    return folder
