"""Folders of models that clients list although no built-in node reads them yet."""

from __future__ import annotations

from collections.abc import Iterable

from sdk import ModelFolder, hookimpl


@hookimpl
def register_folders() -> Iterable[ModelFolder]:
    return [ModelFolder(kind) for kind in ("classifiers", "configs", "diffusers")]
