"""Prompts: emphasis, tokens of each encoder, and weights against an encoder that is a formula (``C_prompt``)."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from host.builtin_nodes.text.chunks import Chunk, EmbeddingVector
from host.builtin_nodes.text.clip_tokens import CLIP_G, CLIP_L, PromptTokenizer, clip_prompt_tokenizer
from host.builtin_nodes.text.embedding_files import EmbeddingFiles
from host.builtin_nodes.text.emphasis import split_emphasis
from host.builtin_nodes.text.errors import TextError
from host.builtin_nodes.text.t5_tokens import t5_prompt_tokenizer
from host.builtin_nodes.text.weighting import EncodedChunks, EncodedPrompt, encode_weighted, join_channels
from host.folders import LocalFolders
from host.models.library import Library
from tests.goldens.runners import Unimplemented, prompt_nodes

# Where the data keeps an encoder's chunks, by the encoder's name in a case id.
ENCODERS = {"l": ("sd1", "l"), "g": ("sdxl", "g"), "t5xxl_sd3": ("sd3", "t5xxl"), "t5xxl_flux": ("flux", "t5xxl")}
OPTION_ENCODERS = {"l": ("sd1", "l"), "t5xxl_flux": ("flux_t5", "t5xxl")}
KEYS = {"l": "clip_l", "g": "clip_g", "t5": "t5xxl", "t5xxl_sd3": "t5xxl", "t5xxl_flux": "t5xxl"}
"""What the product calls the data's encoders."""
ENCODERS_OF = {"sd1": ("l",), "sdxl": ("l", "g"), "flux": ("l", "t5"), "sd3": ("l", "g", "t5")}
T5_MIN_LENGTH = {"t5xxl_sd3": 77, "t5xxl_flux": 256}
FAMILIES = ("sd1", "sdxl", "flux", "sd3")
WEIGHTING_ATOL = 1e-5


def cases(folder: Path) -> list[str]:
    """``emphasis/<n>``, ``tokens/<n>/<encoder>``, ``options/<n>/<encoder>`` and ``weighting/<n>/<family>``."""
    names = [f"emphasis/{n}" for n in range(len(_read(folder, "emphasis")["cases"]))]
    tokens = _read(folder, "tokens")
    for kind, entries, encoders in (
        ("tokens", tokens["prompts"], ENCODERS),
        ("options", tokens["options_cases"], OPTION_ENCODERS),
    ):
        names += [f"{kind}/{n}/{e}" for n, entry in enumerate(entries) for e in encoders if encoders[e][0] in entry]
    for case in _read(folder, "weighting")["cases"]:
        names += [f"weighting/{case['index']}/{family}" for family in FAMILIES if _tensor_names(case, family)]
    return names


def run(folder: Path, name: str, tmp_path: Path) -> None:
    kind, number, *encoder = name.split("/")
    check: dict[str, Callable[..., None]] = {
        "emphasis": _run_emphasis,
        "tokens": _run_tokens,
        "options": _run_options,
        "weighting": _run_weighting,
    }
    check[kind](folder, int(number), *encoder)


def _run_emphasis(folder: Path, number: int) -> None:
    case = _read(folder, "emphasis")["cases"][number]
    found = [(text, _number(weight)) for text, weight in split_emphasis(case["text"])]
    assert found == [(text, _number(weight)) for text, weight in case["segments"]]


def _run_tokens(folder: Path, number: int, encoder: str) -> None:
    case = _read(folder, "tokens")["prompts"][number]
    family, key = ENCODERS[encoder]
    tokenizer = _tokenizer(folder, encoder)
    if "error" in case[family]:
        _assert_refused_or_sound(tokenizer, case["prompt"])
        return
    accepted = [case[family][key]]
    other = case.get("differs_with_transformers_4.57", {}).get(family, {}).get(key)
    accepted += [other] if other else []
    wanted = [[_expected(chunk) for chunk in chunks] for chunks in accepted]
    assert [_flat(chunk) for chunk in tokenizer.tokenize(case["prompt"]).chunks] in wanted
    through_node = prompt_nodes.chunks_of(folder, _adapter(folder, family), case["prompt"])
    assert [_flat(chunk) for chunk in through_node[KEYS[encoder] if family != "sd1" else ""]] in wanted


def _assert_refused_or_sound(tokenizer: PromptTokenizer, prompt: str) -> None:
    """Where the reference crashed, a clear refusal is right, and so are the vectors of the embedding named."""
    try:
        tokenized = tokenizer.tokenize(prompt)
    except TextError:
        return
    assert any(isinstance(token, EmbeddingVector) for token in tokenized.chunks[0].tokens)


def _run_options(folder: Path, number: int, encoder: str) -> None:
    case = _read(folder, "tokens")["options_cases"][number]
    family, key = OPTION_ENCODERS[encoder]
    options = dict(case["options"])
    padding = options.pop("tokenizer_options", None)
    tokenized = _tokenizer(folder, encoder).tokenize(
        case["prompt"], disable_weights=options.pop("disable_weights", False), options=padding
    )
    assert not options, f"the runner doesn't know the options {sorted(options)}"
    wanted = [_expected(chunk) for chunk in case[family][key]]
    assert [_flat(chunk) for chunk in tokenized.chunks] == wanted
    if padding is not None and encoder in T5_MIN_LENGTH:
        asked = {
            "min_length": padding.get("t5xxl_min_length", T5_MIN_LENGTH[encoder]),
            "min_padding": padding.get("t5xxl_min_padding", 0),
        }
        through_node = prompt_nodes.chunks_of(folder, _adapter(folder, "flux"), case["prompt"], asked)
        assert [_flat(chunk) for chunk in through_node["t5xxl"]] == wanted


def _run_weighting(folder: Path, number: int, family: str) -> None:
    data = _read(folder, "weighting")
    case = next(case for case in data["cases"] if case["index"] == number)
    routes = [_encode_family(folder, family, case["prompt"], data["dims"])]
    adapter, modules = _adapter(folder, family), _modules(family, data["dims"])
    routes += prompt_nodes.encoded(folder, family, adapter, case["prompt"], modules)
    for found in routes:
        _check_weighted(folder, case, family, found)


def _check_weighted(folder: Path, case: dict[str, Any], family: str, found: EncodedPrompt) -> None:
    with safe_open(folder / "weighting.safetensors", "pt") as file:
        for name in _tensor_names(case, family):
            states = found.pooled if name.endswith("_pooled") else found.states
            assert states is not None
            if name.endswith("_first12ch"):
                assert list(states.shape) == case["sd3_shape"]
                assert states[:, : -_t5_length(folder, case["prompt"]), 12:].abs().max() == 0
                states = states[..., :12]
            torch.testing.assert_close(states, file.get_tensor(name), atol=WEIGHTING_ATOL, rtol=0, equal_nan=True)


def _adapter(folder: Path, family: str) -> Any:
    """The family's text adapter for encoders of the data's widths."""
    widths = {KEYS[name]: _read(folder, "weighting")["dims"][f"{family}_{name}"] for name in ENCODERS_OF[family]}
    return prompt_nodes.text_adapter(family, partial(_t5_vocabulary, folder), widths)


def _modules(family: str, widths: dict[str, int]) -> Any:
    """The formula for each of the family's encoders; a lone one by itself."""
    made = {
        KEYS[name]: prompt_nodes.FormulaEncoder(widths[f"{family}_{name}"], _states) for name in ENCODERS_OF[family]
    }
    return made["clip_l"] if family == "sd1" else made


def _encode_family(folder: Path, family: str, prompt: str, widths: dict[str, int]) -> EncodedPrompt:
    """The prompt with the formula in place of each of the family's encoders, put together as the family does."""

    def encoded(encoder: str, width: str) -> EncodedPrompt:
        tokenizer = _tokenizer(folder, encoder)
        with_pooled = not encoder.startswith("t5")
        formula = _Formula(widths[width], with_pooled=with_pooled)
        return encode_weighted(formula, tokenizer.tokenize(prompt).chunks, tokenizer.empty)

    if family == "sd1":
        return encoded("l", "sd1_l")
    if family == "flux":
        return EncodedPrompt(encoded("t5xxl_flux", "flux_t5").states, encoded("l", "flux_l").pooled)
    clip_l, clip_g = encoded("l", f"{family}_l"), encoded("g", f"{family}_g")
    if family == "sdxl":
        return EncodedPrompt(join_channels(clip_l.states, clip_g.states), clip_g.pooled)
    assert clip_l.pooled is not None
    assert clip_g.pooled is not None
    clip = join_channels(clip_l.states, clip_g.states, width=widths["sd3_t5"])
    states = torch.cat([clip, encoded("t5xxl_sd3", "sd3_t5").states], dim=1)
    return EncodedPrompt(states, torch.cat([clip_l.pooled, clip_g.pooled], dim=-1))


class _Formula:
    """The data's stand-in for an encoder: z[k,j,d] = sin(0.001 (id+1) (d+1)) + 0.1 cos(j (d+2))."""

    def __init__(self, width: int, *, with_pooled: bool) -> None:
        self._width, self._with_pooled = width, with_pooled

    def __call__(self, chunks: Sequence[Chunk]) -> EncodedChunks:
        states = _states(torch.tensor([chunk.tokens for chunk in chunks]), self._width)
        return EncodedChunks(states, states.mean(1) + states[:, 0] if self._with_pooled else None)


def _states(ids: Tensor, width: int) -> Tensor:
    """The formula for token ids [chunks, length]: states [chunks, length, width]."""
    numbers = ids.double()[..., None]
    position = torch.arange(ids.shape[1], dtype=torch.float64)[None, :, None]
    channel = torch.arange(width, dtype=torch.float64)
    states = (0.001 * (numbers + 1) * (channel + 1)).sin() + 0.1 * (position * (channel + 2)).cos()
    return states.float()


def _tensor_names(case: dict[str, Any], family: str) -> list[str]:
    prefix = f"{case['index']}/{family}"
    return [name for name in case["tensors"] if name == prefix or name.startswith(f"{prefix}_")]


def _t5_length(folder: Path, prompt: str) -> int:
    return len(_tokenizer(folder, "t5xxl_sd3").tokenize(prompt).chunks[0])


@cache
def _tokenizer(folder: Path, encoder: str) -> PromptTokenizer:
    embeddings = EmbeddingFiles(LocalFolders(folder, Library([folder])))
    if encoder in T5_MIN_LENGTH:
        return t5_prompt_tokenizer(_t5_vocabulary(folder), min_length=T5_MIN_LENGTH[encoder], embeddings=embeddings)
    return clip_prompt_tokenizer({"l": CLIP_L, "g": CLIP_G}[encoder], embeddings)


def _t5_vocabulary(folder: Path) -> Path:
    """The T5 vocabulary kept beside the reference data; the repository has none of its own."""
    places = [parent / "assets" / "t5" / "tokenizer.json" for parent in folder.absolute().parents]
    for place in places:
        if place.is_file():
            return place
    raise Unimplemented("no T5 vocabulary (assets/t5/tokenizer.json) in a folder above the reference data")


def _flat(chunk: Chunk) -> list[tuple[Any, Any, int]]:
    ids = [
        (round(float(token.values[0]), 4), token.values.shape[-1]) if isinstance(token, EmbeddingVector) else token
        for token in chunk.tokens
    ]
    return list(zip(ids, map(_number, chunk.weights), chunk.words, strict=True))


def _expected(chunk: dict[str, Any]) -> list[tuple[Any, Any, int]]:
    ids = [(token["embedding_vector"], token["dim"]) if isinstance(token, dict) else token for token in chunk["ids"]]
    listed = list(zip(ids, map(_number, chunk["weights"]), chunk["word_ids"], strict=True))
    return listed + listed[-1:] * int(chunk["repeat_last"])


def _number(value: float | str) -> float | str:
    """A weight in a form that equals itself, NaN too."""
    value = float(value)
    return value if math.isfinite(value) else str(value)


@cache
def _read(folder: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    return content
