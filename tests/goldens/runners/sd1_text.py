"""Text encodings of SD1-style models (``te_*`` and ``ti_*``): prompt to tokens to states, with a tiny CLIP-L."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch.nn import Module

from host.builtin_nodes.text.chunks import EmbeddingVector
from host.builtin_nodes.text.clip_encoder import ClipOutput, encode_clip
from host.builtin_nodes.text.clip_model import clip_config_from_shapes, load_clip_text_model
from host.builtin_nodes.text.clip_tokens import CLIP_L, PromptTokenizer, TokenizedPrompt, clip_prompt_tokenizer
from host.builtin_nodes.text.embeddings import EmbeddingFolders
from host.builtin_nodes.text.weighting import encode_weighted
from tests.goldens.runners.synthetic_weights import synthetic_tensor, synthetic_weights

PREFIXES = ("cond_stage_model.transformer.text_model.", "text_model.")


def run_text_case(folder: Path, name: str) -> None:
    """Checks a case's tokens, weights, states and pooled vector."""
    case = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    expected = load_file(folder / f"{name}.safetensors")
    model = _text_model(folder)
    with TemporaryDirectory() as embeddings:
        _write_embeddings(Path(embeddings), case["params"].get("embedding_files", {}))
        tokenizer = clip_prompt_tokenizer(
            CLIP_L, EmbeddingFolders([Path(embeddings)]), length=model.config.max_position_embeddings
        )
        tokenized = tokenizer.tokenize(case["params"]["prompt"])
    _check_tokens(tokenized, expected)
    output = ClipOutput(stop=case["params"].get("stop_at_layer") or -1)
    _check_states(model, tokenizer, tokenized, output, expected, case["tolerance"]["suggested"]["atol"])


def _check_tokens(tokenized: TokenizedPrompt, expected: dict[str, torch.Tensor]) -> None:
    ids = [[-1 if isinstance(t, EmbeddingVector) else t for t in chunk.tokens] for chunk in tokenized.chunks]
    assert ids == expected["in.tokens_l"].tolist()
    weights = torch.tensor([chunk.weights for chunk in tokenized.chunks])
    torch.testing.assert_close(weights, expected["in.weights_l"], atol=0, rtol=0)


def _check_states(
    model: Module,
    tokenizer: PromptTokenizer,
    tokenized: TokenizedPrompt,
    output: ClipOutput,
    expected: dict[str, torch.Tensor],
    atol: float,
) -> None:
    found = encode_weighted(lambda chunks: encode_clip(model, chunks, output), tokenized.chunks, tokenizer.empty)
    torch.testing.assert_close(found.states, expected["out.cond"], atol=atol, rtol=0)
    torch.testing.assert_close(found.pooled, expected["out.pooled"], atol=atol, rtol=0)


@cache
def _text_model(folder: Path) -> Any:
    manifest = json.loads((folder / "model.manifest.json").read_text(encoding="utf-8"))
    prefix = next(p for p in PREFIXES if any(key.startswith(p) for key in manifest["keys"]))
    config = manifest["config"].get("clip_l", manifest["config"])
    weights = synthetic_weights(manifest, prefix)
    shapes = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    return load_clip_text_model(clip_config_from_shapes(shapes, heads=config["heads"]), weights)


def _write_embeddings(folder: Path, files: dict[str, dict[str, Any]]) -> None:
    for name, file in files.items():
        layout, tensor = file["layout"], synthetic_tensor(file["keys"], file["shapes"])
        if layout.startswith("safetensors"):
            save_file({file["keys"]: tensor}, folder / f"{name}.safetensors")
        elif layout.startswith("A1111"):
            torch.save({"string_to_param": {"*": tensor}}, folder / f"{name}.pt")
        else:
            torch.save({file["keys"]: tensor}, folder / f"{name}.bin")
