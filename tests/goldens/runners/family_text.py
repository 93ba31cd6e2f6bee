"""Text encodings of tiny models (``te_*`` and ``ti_*``): prompt to tokens to states, by the file's encoders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from host.builtin_nodes.conditioning.prompts import clip_set_last_layer, clip_text_encode
from host.builtin_nodes.text.chunks import EmbeddingVector
from host.builtin_nodes.text.clip_tokens import TokenizedPrompt
from host.builtin_nodes.text.embedding_files import EmbeddingFiles
from host.folders import LocalFolders
from host.models.library import Library
from tests.goldens.runners.family_models import TinyModel
from tests.goldens.runners.synthetic_weights import synthetic_tensor
from tests.support.node_context import LoneContext

ENCODERS = {"clip_l": "l", "clip_g": "g", "clip_h": "h", "t5xxl": "t5xxl"}
"""What the reference calls an encoder's tokens."""


def encode_text_case(
    model: TinyModel, params: Mapping[str, Any], given: Mapping[str, Tensor], base: Path
) -> tuple[Tensor, Tensor | None]:
    """States and pooled vector that the nodes give for a case's prompt, whose tokens and weights have been checked."""
    _write_embeddings(base / "models" / "embeddings", params.get("embedding_files", {}))
    folders = LocalFolders(base, Library([base / "models"]))
    clip = model.handles["text_encoder"]
    tokens = clip.adapter.tokenize(params["prompt"], EmbeddingFiles(folders))
    by_encoder = tokens if isinstance(tokens, Mapping) else {_lone_key(model): tokens}
    for key, prompt in by_encoder.items():
        _check_tokens(prompt, given, ENCODERS[key])
    if params.get("stop_at_layer") is not None:
        clip = clip_set_last_layer(clip, params["stop_at_layer"])
    context = LoneContext(folders, models=model.manager)
    (((states, said),),) = clip_text_encode.run(None, {"text": params["prompt"], "clip": clip}, context).outputs
    return states, said["pooled_output"]


def _lone_key(model: TinyModel) -> str:
    (key,) = model.handles["text_encoder"].identity.config["text_encoders"]
    return str(key)


def _check_tokens(tokenized: TokenizedPrompt, given: Mapping[str, Tensor], encoder: str) -> None:
    ids = [[-1 if isinstance(t, EmbeddingVector) else t for t in chunk.tokens] for chunk in tokenized.chunks]
    assert ids == given[f"tokens_{encoder}"].tolist()
    weights = torch.tensor([chunk.weights for chunk in tokenized.chunks])
    torch.testing.assert_close(weights, given[f"weights_{encoder}"], atol=0, rtol=0)


def _write_embeddings(folder: Path, files: Mapping[str, Mapping[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, file in files.items():
        layout, keys = file["layout"], file["keys"]
        if isinstance(keys, list):
            tensors = {key: synthetic_tensor(key, shape) for key, shape in zip(keys, file["shapes"], strict=True)}
            save_file(tensors, folder / f"{name}.safetensors")
            continue
        tensor = synthetic_tensor(keys, file["shapes"])
        if layout.startswith("safetensors"):
            save_file({keys: tensor}, folder / f"{name}.safetensors")
        elif layout.startswith("A1111"):
            torch.save({"string_to_param": {"*": tensor}}, folder / f"{name}.pt")
        else:
            torch.save({keys: tensor}, folder / f"{name}.bin")
