"""Small ComfyUI packs, written as people write them."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from sdk.inspection import Inspection, inspect_pack

NODE = """
class {name}:
    CATEGORY = "test"
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "run"

    @classmethod
    def INPUT_TYPES(cls):
        return {{"required": {{"image": ("IMAGE",)}}}}

    def run(self, image):
        return (image,)
"""
A, B, C = (NODE.format(name=name) for name in "ABC")


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text), encoding="utf-8")
    return folder


def inspect(folder: Path, **files: str) -> Inspection:
    """Inspect a pack whose files are given by name: ``init`` is the start, ``a__b`` is ``a/b.py``."""
    named = {("__init__" if name == "init" else name.replace("__", "/")) + ".py": text for name, text in files.items()}
    return inspect_pack(write(folder / "a_pack", named))


def ids(found: Inspection) -> set[str]:
    return {node.id for node in found.nodes}
