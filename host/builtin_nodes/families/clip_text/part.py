"""A CLIP text encoder inside a file, as a part that the model manager can load."""

from __future__ import annotations

from host.builtin_nodes.families.refusals import LayoutError
from host.builtin_nodes.lora.names import clip_text_names
from sdk.models import Header, Part, TensorSource

MARKER = "embeddings.token_embedding.weight"
"""A tensor that every text encoder in this layout has."""

_COMPUTED = "embeddings.position_ids"
_TEXT_MODEL = "text_model."
# Beside these, merges and older exports keep what a text encoder alone has no use for (``text_projection`` ...).
_MODULES = ("embeddings.", "encoder.", "final_layer_norm.")
_VOCABULARY = 49_408
_FEWEST_POSITIONS = 3  # start, one token, end


def find_clip_text(header: Header, prefix: str) -> str | None:
    """The prefix of a text encoder's own names, at or one level below ``prefix``; None where there is none.

    Older files lack the level ``text_model``.
    """
    return next((p for p in (prefix + _TEXT_MODEL, prefix) if p + MARKER in header.tensors), None)


def clip_text_sources(header: Header, prefix: str) -> dict[str, TensorSource]:
    """Where transformers' text model finds its weights in a file whose encoder has its names under ``prefix``."""
    names = (key.removeprefix(prefix) for key in header.tensors if key.startswith(prefix))
    return {name: TensorSource(prefix + name) for name in names if name.startswith(_MODULES) and name != _COMPUTED}


def clip_text_shapes(header: Header, prefix: str) -> dict[str, tuple[int, ...]]:
    """Shapes of the encoder's tensors, by the module's names."""
    return {name: header.tensors[source.key].shape for name, source in clip_text_sources(header, prefix).items()}


def check_clip_text(header: Header, prefix: str, context: int) -> None:
    """Refuse a text encoder that can't serve a denoiser with ``context`` channels, or can't take CLIP's tokens.

    Raises:
        LayoutError: its width, vocabulary or number of positions doesn't fit.
    """
    shapes = clip_text_shapes(header, prefix)
    tokens, positions = (shapes.get(f"embeddings.{kind}_embedding.weight", ()) for kind in ("token", "position"))
    if len(tokens) != 2 or len(positions) != 2:
        raise LayoutError("its text encoder lacks a table of tokens or of positions")
    if {tokens[1], positions[1]} != {context}:
        width = max(tokens[1], positions[1])
        raise LayoutError(f"its UNet takes a context of {context} channels, its text encoder gives {width}")
    if tokens[0] < _VOCABULARY or positions[0] < _FEWEST_POSITIONS:
        raise LayoutError(f"its text encoder knows {tokens[0]} tokens and takes {positions[0]} at once")


def clip_l_part(header: Header, prefix: str, heads: int | None) -> Part:
    """The part ``text_encoder`` for CLIP-L under ``prefix``; ``heads`` is None for one head per 64 channels."""
    from host.builtin_nodes.families.clip_text.adapter import ClipTextAdapter
    from host.builtin_nodes.text.clip_tokens import CLIP_L

    shapes = clip_text_shapes(header, prefix)
    weights = clip_text_sources(header, prefix)

    def build() -> object:
        from host.builtin_nodes.text.clip_model import clip_config_from_shapes, clip_text_model

        return clip_text_model(clip_config_from_shapes(shapes, heads=heads))

    return Part(
        name="text_encoder",
        build=build,
        weights=weights,
        adapter=ClipTextAdapter(CLIP_L, positions=shapes["embeddings.position_embedding.weight"][0]),
        patch_names=lambda: clip_text_names(weights),
    )
