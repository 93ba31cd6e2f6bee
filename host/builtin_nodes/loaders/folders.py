"""Folders that clients list beside those of the models themselves."""

from __future__ import annotations

from collections.abc import Iterable

from sdk import ModelFolder, hookimpl


@hookimpl
def register_folders() -> Iterable[ModelFolder]:
    return [ModelFolder(kind) for kind in ("classifiers", "configs", "diffusers")]
