"""Weight changes (LoRA and its kin) on tiny models: file and checkpoint in, patched weights and outputs out.

Checks for each case the patched weights, that all and only the listed ones change, what denoiser and text encoder
then give, and that every weight is bit-equal again afterwards.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from host.builtin_nodes.lora.plugin import register_patch_formats
from host.builtin_nodes.text.chunks import Chunk
from host.builtin_nodes.text.clip_tokens import TokenizedPrompt
from host.models.files.header import read_header
from host.models.library import Library
from host.models.manager import ModelManager
from host.models.residency.devices import CpuDevice, ModelSettings
from sdk.models import Identity, ModelHandle
from tests.goldens.runners.family_models import CPU, families, tiny_model
from tests.goldens.runners.family_text import ENCODERS
from tests.goldens.runners.synthetic_weights import synthetic_tensor

PARTS = {"denoiser": "strength_model", "text_encoder": "strength_clip"}
REFERENCE_LEVEL = "transformer."
"""What the reference has between an encoder's key and the names of its weights."""

Weights = Mapping[tuple[str, str], Tensor]
"""Tensors by part and by the module's name for them."""


@dataclass(frozen=True)
class PatchCase:
    """A case's numbers and tensors."""

    params: Mapping[str, Any]
    tensors: Mapping[str, Tensor]
    atol: float

    def check(self, found: Tensor, name: str) -> None:
        torch.testing.assert_close(found, self.tensors[name], atol=self.atol, rtol=0, msg=lambda m: f"{name}: {m}")


@torch.no_grad()
def run_patch_case(folder: Path, name: str, tmp_path: Path) -> None:
    """Check one case of patched weights."""
    case = _read_case(folder, name)
    checkpoint = tiny_model(folder, tmp_path.parent, CPU).path
    lora = _write_lora(case.params, tmp_path / f"{name}.safetensors")
    settings = ModelSettings(device="cpu", dtype="fp32")
    manager = ModelManager(Library([tmp_path]), families(), register_patch_formats(), CpuDevice(), settings)
    plain = {part: manager.open(checkpoint)[part] for part in PARTS}
    patched = _patched(manager, plain, lora, case.params)
    before = _weights(manager, plain)
    after = _weights(manager, patched)
    _check_weights(case, before, after, _file_keys(manager, checkpoint))
    _check_outputs(case, manager, patched)
    for place, tensor in _weights(manager, plain).items():
        assert torch.equal(tensor, before[place]), f"{place} differs after the change was undone"


def _read_case(folder: Path, name: str) -> PatchCase:
    record = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return PatchCase(
        record["params"], load_file(folder / f"{name}.safetensors"), record["tolerance"]["suggested"]["atol"]
    )


def _write_lora(params: Mapping[str, Any], path: Path) -> Path:
    values = params["lora_values"]
    tensors = {
        key: torch.tensor(values[key], dtype=torch.float32).reshape(shape)
        if key in values
        else synthetic_tensor(key, shape)
        for key, (_, shape) in params["lora_manifest"].items()
    }
    content = b"".join(np.ascontiguousarray(tensors[key].numpy()).tobytes() for key in sorted(tensors))
    assert hashlib.sha256(content).hexdigest() == params["lora_sha256"], "the synthetic file is not the reference's"
    save_file(tensors, path)
    return path


def _patched(
    manager: ModelManager, handles: Mapping[str, ModelHandle], lora: Path, params: Mapping[str, Any]
) -> dict[str, ModelHandle]:
    """The handles with the file's changes, none of whose keys is left over."""
    patches = manager.read_patches(lora, list(handles.values()))
    left_over = set.intersection(*(set(patch.unmatched) for patch in patches))
    assert not left_over
    return {
        part: handles[part].with_patches(patch, params[PARTS[part]] or 0.0)
        for part, patch in zip(handles, patches, strict=True)
    }


def _weights(manager: ModelManager, handles: Mapping[str, ModelHandle]) -> dict[tuple[str, str], Tensor]:
    weights: dict[tuple[str, str], Tensor] = {}
    for part, handle in handles.items():
        with manager.borrow(handle) as module:
            weights |= {(part, name): tensor.clone() for name, tensor in module.state_dict().items()}
    return weights


def _file_keys(manager: ModelManager, checkpoint: Path) -> dict[str, tuple[str, str]]:
    """Part and name of each tensor, by its key in the file; of encoders, by the reference's name, too."""
    identity = manager.identify(checkpoint)
    family = next(family for family in families() if family.name == identity.family)
    places: dict[str, tuple[str, str]] = {}
    for part in family.parts(read_header(checkpoint), identity):
        places |= {source.key: (part.name, name) for name, source in part.weights.items()}
        if part.name == "text_encoder":
            places |= {_reference_key(name, identity): (part.name, name) for name in part.weights}
    return places


def _reference_key(name: str, identity: Identity) -> str:
    """What the reference calls an encoder's weight: ``clip_l.transformer.text_model.encoder …``."""
    keys = identity.config["text_encoders"]
    key = next((key for key in keys if name.startswith(f"{key}.")), keys[0])
    path = name.removeprefix(f"{key}.")
    if not path.startswith(("text_model.", "text_projection.")):
        path = f"text_model.{path}"
    return f"{key}.{REFERENCE_LEVEL}{path}"


def _check_weights(case: PatchCase, before: Weights, after: Weights, places: Mapping[str, tuple[str, str]]) -> None:
    changed = {place for place, tensor in after.items() if not torch.equal(tensor, before[place])}
    entries = [entry[0] if isinstance(entry, list) else entry for entry in case.params["patched_weights"]]
    assert changed == {places[key] for key in entries}
    for name, expected in case.tensors.items():
        kind, _, key = name.removeprefix("out.").partition(".")
        if kind in ("weight", "weight_first_rows"):
            case.check(after[places[key]][: len(expected)], name)


def _check_outputs(case: PatchCase, manager: ModelManager, patched: Mapping[str, ModelHandle]) -> None:
    given = case.tensors
    extra = {"vector": given["in.y"]} if "in.y" in given else {}
    with manager.borrow(patched["denoiser"]) as module:
        adapter = patched["denoiser"].adapter
        case.check(
            adapter.forward(module, given["in.x"], given["in.timestep"], given["in.context"], **extra), "out.raw"
        )
    if "out.te_pooled" in given:
        _check_text(case, manager, patched["text_encoder"])


def _check_text(case: PatchCase, manager: ModelManager, handle: ModelHandle) -> None:
    tokens = {key: case.tensors.get(f"in.tokens_{name}") for key, name in ENCODERS.items()}
    prompts = {key: _prompt(rows) for key, rows in tokens.items() if rows is not None}
    lone = len(handle.identity.config["text_encoders"]) == 1
    with manager.borrow(handle) as module:
        found = handle.adapter.encode(module, next(iter(prompts.values())) if lone else prompts, {})
    case.check(found.states[:, :12], "out.te_cond_first12")
    case.check(found.states[:, -4:], "out.te_cond_last4")
    assert found.pooled is not None
    case.check(found.pooled, "out.te_pooled")


def _prompt(tokens: Tensor) -> TokenizedPrompt:
    rows = tokens.tolist()
    return TokenizedPrompt(tuple(Chunk(tuple(row), (1.0,) * len(row), (0,) * len(row)) for row in rows))
