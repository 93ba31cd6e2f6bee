"""Tiny autoencoders: each pair of files as one, opened by the model manager."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from host.builtin_nodes.families.taesd.layout import SCALE_FACT, SHIFT_FACT
from host.builtin_nodes.families.taesd.plugin import TinyVaeFamily
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import Device, ModelSettings
from sdk.models import ModelHandle
from tests.goldens.runners.family import Case
from tests.goldens.runners.family_models import CPU
from tests.goldens.runners.synthetic_weights import synthetic_weights


def cases(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*code.json"))


def run(folder: Path, name: str, tmp_path: Path, device: Device = CPU) -> None:
    torch.set_num_threads(1)
    kind, _, way = name.rpartition("_")
    case = Case(folder, name, tmp_path)
    manager, handle = _opened(folder, kind, tmp_path.parent, device)
    with manager.borrow(handle) as module:
        if way == "encode":
            case.check(handle.adapter.encode(module, case.given["image"]), "latent")
        else:
            case.check(handle.adapter.decode(module, case.given["z"]), "image")


@cache
def _opened(folder: Path, kind: str, directory: Path, device: Device) -> tuple[ModelManager, ModelHandle]:
    manifest: dict[str, Any] = json.loads((folder / f"{kind}.manifest.json").read_text(encoding="utf-8"))
    weights = synthetic_weights(manifest)
    files: dict[str, Path] = {}
    for half in ("encoder", "decoder"):
        files[half] = directory / f"{kind}_{half}.safetensors"
        prefix = f"{kind}_{half}:"
        own = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
        save_file({key: value for key, value in own.items() if value.ndim}, files[half])
    config = manifest["config"]
    settings = ModelSettings(dtype="fp32")
    manager = ModelManager(Library([directory]), [TinyVaeFamily()], [], device, settings)
    facts = {SCALE_FACT: config["scale"], SHIFT_FACT: config["shift"]}
    return manager, manager.open_together(files, facts)["vae"]
