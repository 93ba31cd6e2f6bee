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
from torch.nn import Module

from host.builtin_nodes.families.sd1.plugin import Sd1Family
from host.builtin_nodes.lora.plugin import register_patch_formats
from host.builtin_nodes.text.chunks import Chunk
from host.builtin_nodes.text.clip_encoder import encode_clip
from host.models.devices import CpuDevice, ModelSettings
from host.models.header import read_header
from host.models.library import Library
from host.models.manager import ModelManager
from sdk.models import ModelHandle
from tests.goldens.runners.family_models import families, tiny_model
from tests.goldens.runners.synthetic_weights import synthetic_tensor

PARTS = {"denoiser": "strength_model", "text_encoder": "strength_clip"}
ENCODER_PREFIXES = {"clip_l.transformer.": "cond_stage_model.transformer."}
"""What the reference calls a text encoder, and what precedes its names in the file."""

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
    checkpoint = tiny_model(folder, tmp_path.parent).path
    lora = _write_lora(case.params, tmp_path / f"{name}.safetensors")
    settings = ModelSettings(device="cpu", dtype="fp32")
    manager = ModelManager(Library([tmp_path]), families(), register_patch_formats(), CpuDevice(), settings)
    plain = {part: manager.open(checkpoint)[part] for part in PARTS}
    patched = _patched(manager, plain, lora, case.params)
    before = _weights(manager, plain)
    after = _weights(manager, patched)
    _check_weights(case, before, after, _file_keys(checkpoint))
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


def _file_keys(checkpoint: Path) -> dict[str, tuple[str, str]]:
    """Part and name of each tensor, by its key in the file."""
    header, family = read_header(checkpoint), Sd1Family()
    parts = family.parts(header, family.identify(header))
    return {source.key: (part.name, name) for part in parts for name, source in part.weights.items()}


def _check_weights(case: PatchCase, before: Weights, after: Weights, places: Mapping[str, tuple[str, str]]) -> None:
    def place(key: str) -> tuple[str, str]:
        for reference, prefix in ENCODER_PREFIXES.items():
            if key.startswith(reference):
                key = prefix + key.removeprefix(reference)
        return places[key]

    changed = {place for place, tensor in after.items() if not torch.equal(tensor, before[place])}
    assert changed == {place(key) for key in case.params["patched_weights"]}
    for name, expected in case.tensors.items():
        kind, _, key = name.removeprefix("out.").partition(".")
        if kind in ("weight", "weight_first_rows"):
            case.check(after[place(key)][: len(expected)], name)


def _check_outputs(case: PatchCase, manager: ModelManager, patched: Mapping[str, ModelHandle]) -> None:
    given = case.tensors
    with manager.borrow(patched["denoiser"]) as module:
        adapter = patched["denoiser"].adapter
        case.check(adapter.forward(module, given["in.x"], given["in.timestep"], given["in.context"]), "out.raw")
    if "out.te_pooled" in given:
        with manager.borrow(patched["text_encoder"]) as module:
            _check_text(case, module)


def _check_text(case: PatchCase, module: Module) -> None:
    tokens = case.tensors["in.tokens_l"].tolist()
    encoded = encode_clip(module, [Chunk(tuple(row), (1.0,) * len(row), (0,) * len(row)) for row in tokens])
    states = encoded.states.flatten(0, 1)[None]
    assert encoded.pooled is not None
    case.check(states[:, :12], "out.te_cond_first12")
    case.check(states[:, -4:], "out.te_cond_last4")
    case.check(encoded.pooled[:1], "out.te_pooled")
