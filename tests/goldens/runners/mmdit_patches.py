"""Weight changes on tiny transformers: file and checkpoint in, patched weights and outputs out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from host.builtin_nodes.text.chunks import Chunk
from host.builtin_nodes.text.clip_tokens import TokenizedPrompt
from host.models.loading import seen
from sdk.models import ModelHandle, TensorSource
from tests.goldens.runners.family import Case
from tests.goldens.runners.synthetic_weights import synthetic_tensor

PARTS = {"denoiser": "strength_model", "text_encoder": "strength_clip"}
Handles = Mapping[str, ModelHandle]


@torch.no_grad()
def run_patch_case(case: Case, encoders: Mapping[str, str]) -> None:
    """Check the patched weights, what then comes out, and that every weight is bit-equal again afterwards."""
    manager = case.model.manager
    plain = {part: handle for part, handle in case.model.handles.items() if part in PARTS}
    patches = manager.read_patches(_write_lora(case.params, case.tmp_path), list(plain.values()))
    assert not set.intersection(*(set(patch.unmatched) for patch in patches))
    patched = {
        part: plain[part].with_patches(patch, case.params[PARTS[part]] or 0.0)
        for part, patch in zip(plain, patches, strict=True)
    }
    before, after = _weights(case, plain), _weights(case, patched)
    _check_weights(case, before, after)
    _check_outputs(case, patched, encoders)
    for key, tensor in _weights(case, plain).items():
        assert torch.equal(tensor, before[key]), f"{key} differs after the change was undone"


def _write_lora(params: Mapping[str, Any], folder: Path) -> Path:
    values = params["lora_values"]
    tensors = {
        key: torch.tensor(values[key], dtype=torch.float32).reshape(shape)
        if key in values
        else synthetic_tensor(key, shape)
        for key, (_, shape) in params["lora_manifest"].items()
    }
    content = b"".join(np.ascontiguousarray(tensors[key].numpy()).tobytes() for key in sorted(tensors))
    assert hashlib.sha256(content).hexdigest() == params["lora_sha256"], "the synthetic file is not the reference's"
    save_file(tensors, folder / "changes.safetensors")
    return folder / "changes.safetensors"


def _weights(case: Case, handles: Handles) -> dict[str, Tensor]:
    """The file's tensors as the modules now have them, by key."""
    opened = case.model.manager._files.open(case.model.path)
    weights = {key: torch.zeros(info.shape) for key, info in opened.file.header.tensors.items()}
    for part, handle in handles.items():
        with case.model.manager.borrow(handle) as module:
            state = module.state_dict()
            for name, source in opened.parts[part].weights.items():
                _region(weights[source.key], source).copy_(state[name])
    return weights


def _region(tensor: Tensor, source: TensorSource) -> Tensor:
    region = seen(tensor, source)
    assert region is not None
    return region


def _check_weights(case: Case, before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> None:
    changed = {key for key, tensor in after.items() if not torch.equal(tensor, before[key])}
    entries = [entry if isinstance(entry, list) else [entry] for entry in case.params["patched_weights"]]
    assert changed == {_file_key(entry[0], before) for entry in entries}
    for name in case.expected:
        kind, _, key = name.partition(".")
        if kind in ("weight", "weight_first_rows"):
            case.check(after[_file_key(key, before)][: len(case.expected[name])], name)


def _file_key(key: str, weights: Mapping[str, Tensor]) -> str:
    """The reference leaves out what precedes its encoders' keys."""
    return key if key in weights else f"text_encoders.{key}"


def _check_outputs(case: Case, handles: Handles, encoders: Mapping[str, str]) -> None:
    given = case.given
    extra = {"vector": given["y"]} | ({"guidance": given["guidance"]} if "guidance" in given else {})
    with case.model.manager.borrow(handles["denoiser"]) as module:
        adapter = handles["denoiser"].adapter
        case.check(adapter.forward(module, given["x"], given["timestep"], given["context"], **extra), "raw")
    if "te_pooled" not in case.expected:
        return
    tokens = {key: _prompt(given[f"tokens_{name}"]) for key, name in encoders.items() if f"tokens_{name}" in given}
    with case.model.manager.borrow(handles["text_encoder"]) as module:
        found = handles["text_encoder"].adapter.encode(module, tokens, {})
    case.check(found.states[:, :12], "te_cond_first12")
    case.check(found.states[:, -4:], "te_cond_last4")
    case.check(found.pooled, "te_pooled")


def _prompt(ids: Tensor) -> TokenizedPrompt:
    rows = ids.tolist()
    return TokenizedPrompt(tuple(Chunk(tuple(row), (1.0,) * len(row), (0,) * len(row)) for row in rows))
