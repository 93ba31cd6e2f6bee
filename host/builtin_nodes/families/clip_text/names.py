"""Names of a CLIP text encoder's tensors: those of transformers, whose modules we use, and of OpenAI and OpenCLIP.

The original code of OpenAI, OpenCLIP and LongCLIP keeps query, key and value of a layer in one tensor.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from sdk.models import TensorSource

TEXT_MODEL = "text_model."
PROJECTION = "text_projection.weight"
TOKENS = "embeddings.token_embedding.weight"
POSITIONS = "embeddings.position_embedding.weight"
FIRST_POSITIONS = "embeddings.position_embedding.first"
OTHER_POSITIONS = "embeddings.position_embedding.others"
KEPT_POSITIONS = 20
"""How many of CLIP's own positions LongCLIP keeps (Zhang et al. 2024, section 3.2)."""

ORIGINAL_TOKENS = "token_embedding.weight"
_ORIGINAL_POSITIONS, _LONG_POSITIONS = "positional_embedding", "positional_embedding_res"
_ORIGINAL_PROJECTION = "text_projection"
ORIGINAL_TABLES = {TOKENS: ORIGINAL_TOKENS, POSITIONS: _ORIGINAL_POSITIONS}
"""What the original calls the module's tables of vectors."""

# Beside these, merges and older exports keep what a text encoder alone has no use for (``logit_scale`` ...).
_MODULES = ("embeddings.", "encoder.", "final_layer_norm.")
# A buffer that can be computed, in the files of older training code.
_COMPUTED = "embeddings.position_ids"
_RESBLOCK = re.compile(r"transformer\.resblocks\.(\d{1,3})\.(.+)\.(weight|bias)")
_FUSED = re.compile(r"transformer\.resblocks\.(\d{1,3})\.attn\.in_proj_(weight|bias)")
LAYERS = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
    "attn.out_proj": "self_attn.out_proj",
}
QUERY_KEY_VALUE = ("q_proj", "k_proj", "v_proj")

TELLING = (
    *(TOKENS, POSITIONS, FIRST_POSITIONS, OTHER_POSITIONS),
    *(ORIGINAL_TOKENS, _ORIGINAL_POSITIONS, _LONG_POSITIONS),
    *(".layer_norm1.weight", ".ln_1.weight", ".mlp.fc1.weight", ".mlp.c_fc.weight"),
)
"""How the names of those weights end, in either layout, whose shapes tell an encoder's dimensions."""

Shapes = Mapping[str, tuple[int, ...]]


def transformers_sources(shapes: Shapes) -> dict[str, TensorSource]:
    """The source of each weight by the module's name, for keys below ``text_model``; others are passed over."""
    names = (name for name in shapes if name.startswith(_MODULES) and name != _COMPUTED)
    return {name: TensorSource(name) for name in names}


def original_sources(shapes: Shapes) -> dict[str, TensorSource]:
    """The source of each weight by the module's name, for keys as OpenAI's code has them; others are passed over."""
    sources: dict[str, TensorSource] = {}
    for key, shape in shapes.items():
        if match := _FUSED.fullmatch(key):
            sources |= _split(key, shape, f"encoder.layers.{match[1]}.self_attn", match[2])
        elif (match := _RESBLOCK.fullmatch(key)) and match[2] in LAYERS:
            sources[f"encoder.layers.{match[1]}.{LAYERS[match[2]]}.{match[3]}"] = TensorSource(key)
        elif key.startswith("ln_final."):
            sources[key.replace("ln_final", "final_layer_norm", 1)] = TensorSource(key)
    if ORIGINAL_TOKENS in shapes:
        sources[TOKENS] = TensorSource(ORIGINAL_TOKENS)
    return sources | _position_sources(shapes)


def projection_source(shapes: Shapes) -> TensorSource | None:
    """Where the projection of the pooled vector is: as the module has it, or transposed in the original layout."""
    if PROJECTION in shapes:
        return TensorSource(PROJECTION)
    return TensorSource(_ORIGINAL_PROJECTION, transpose=True) if _ORIGINAL_PROJECTION in shapes else None


def _split(key: str, shape: tuple[int, ...], place: str, kind: str) -> dict[str, TensorSource]:
    third = shape[0] // 3 if shape else 0
    return {
        f"{place}.{name}.{kind}": TensorSource(key, narrow=(0, number * third, third))
        for number, name in enumerate(QUERY_KEY_VALUE)
    }


def _position_sources(shapes: Shapes) -> dict[str, TensorSource]:
    if _ORIGINAL_POSITIONS not in shapes:
        return {}
    if _LONG_POSITIONS not in shapes:
        return {POSITIONS: TensorSource(_ORIGINAL_POSITIONS)}
    others = max(0, (shapes[_LONG_POSITIONS] or (0,))[0] - KEPT_POSITIONS)
    return {
        FIRST_POSITIONS: TensorSource(_ORIGINAL_POSITIONS, narrow=(0, 0, KEPT_POSITIONS)),
        OTHER_POSITIONS: TensorSource(_LONG_POSITIONS, narrow=(0, KEPT_POSITIONS, others)),
    }
