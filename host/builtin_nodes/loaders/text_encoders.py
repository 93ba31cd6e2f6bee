"""Nodes that open text encoders from files of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from host.builtin_nodes.families.text_encoders.detection import DEVICE_FACT
from host.builtin_nodes.families.text_encoders.kinds import USE_FACT, USES
from sdk import Choice, Clip, NodeContext, NodeError, NodeType, Options, TypedCombo, hookimpl, node

_CATEGORY = "advanced/loaders"
_TIPS = ("The text encoder that turns prompts into conditioning.",)
_NAMES = ("first", "second", "third")
_File = Annotated[str, Choice(source="folder:text_encoders")]
_TypedFile = Annotated[_File, TypedCombo(multiselect=False)]
_Device = Annotated[Literal["default", "cpu"] | None, Options({"advanced": True})]


@node(id="CLIPLoader", title="Load CLIP", category=_CATEGORY, output_tooltips=_TIPS, reads=("clip_name",))
def clip_loader(
    *,
    clip_name: _File,
    type: Literal[
        "stable_diffusion",
        "stable_cascade",
        "sd3",
        "stable_audio",
        "mochi",
        "ltxv",
        "pixart",
        "cosmos",
        "lumina2",
        "wan",
        "hidream",
        "chroma",
        "ace",
        "omnigen2",
        "qwen_image",
        "hunyuan_image",
    ],
    device: _Device = None,
    context: NodeContext,
) -> Clip:
    """Open a text encoder that a model uses alone.

    Args:
        clip_name: The file, in the model folder "text_encoders" or "clip".
        type: The model that uses it.
        device: Where it runs: where models usually do, or on the CPU.
    """
    return _opened([clip_name], type, device, context)


@node(
    id="DualCLIPLoader",
    title="DualCLIPLoader",
    category=_CATEGORY,
    output_tooltips=_TIPS,
    reads=("clip_name1", "clip_name2"),
)
def dual_clip_loader(
    *,
    clip_name1: _File,
    clip_name2: _File,
    type: Literal["sdxl", "sd3", "flux", "hunyuan_video", "hidream", "hunyuan_image"],
    device: _Device = None,
    context: NodeContext,
) -> Clip:
    """Open two text encoders that a model uses together, in any order.

    Args:
        clip_name1: A file in the model folder "text_encoders" or "clip".
        clip_name2: The other one.
        type: The model that uses them: CLIP-L and CLIP-G for sdxl, CLIP-L and T5 for flux, any two for sd3.
        device: Where they run: where models usually do, or on the CPU.
    """
    return _opened([clip_name1, clip_name2], type, device, context)


@node(
    id="TripleCLIPLoader",
    category=_CATEGORY,
    output_tooltips=_TIPS,
    reads=("clip_name1", "clip_name2", "clip_name3"),
)
def triple_clip_loader(
    clip_name1: _TypedFile, clip_name2: _TypedFile, clip_name3: _TypedFile, context: NodeContext
) -> Clip:
    """Open the three text encoders of Stable Diffusion 3 (CLIP-L, CLIP-G and T5), in any order.

    Args:
        clip_name1: A file in the model folder "text_encoders" or "clip".
        clip_name2: Another one.
        clip_name3: The third one.
    """
    return _opened([clip_name1, clip_name2, clip_name3], "sd3", None, context)


class UnknownUse(NodeError):
    """Text encoders are wanted for a model that this host doesn't know.

    Attributes:
        use: the model.
    """

    def __init__(self, use: str) -> None:
        super().__init__(use)
        self.use = use

    def __str__(self) -> str:
        return f"Text encoders of {self.use!r} can't be used here yet; choose one of {', '.join(USES)}."


def _opened(names: Sequence[str], use: str, device: str | None, context: NodeContext) -> Clip:
    if use not in USES:
        raise UnknownUse(use)
    files = {place: context.folders.find("text_encoders", name) for place, name in zip(_NAMES, names, strict=False)}
    facts = {USE_FACT: use} | ({} if device in (None, "default") else {DEVICE_FACT: device})
    return context.models.open_together(files, facts)["text_encoder"]


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that open text encoders."""
    return [clip_loader, dual_clip_loader, triple_clip_loader]
