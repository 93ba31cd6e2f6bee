"""Nodes that make one conditioning of two."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from sdk import Conditioning, NodeError, NodeType, Range, hookimpl, node


@node(
    id="ConditioningCombine",
    title="Conditioning (Combine)",
    category="conditioning",
    output_tooltips=("Both prompts.",),
)
def conditioning_combine(conditioning_1: Conditioning, conditioning_2: Conditioning) -> Conditioning:
    """Let two prompts count side by side: the model is asked about each, and its answers are averaged.

    Args:
        conditioning_1: One prompt.
        conditioning_2: The other.
    """
    return [*conditioning_1, *conditioning_2]


@node(
    id="ConditioningConcat",
    title="Conditioning (Concat)",
    category="conditioning",
    output_tooltips=("One long prompt.",),
)
def conditioning_concat(conditioning_to: Conditioning, conditioning_from: Conditioning) -> Conditioning:
    """Append a prompt to another, as if both were one long text that was encoded in two parts.

    Args:
        conditioning_to: The prompt that comes first.
        conditioning_from: The prompt that is appended; of several, the first.
    """
    import torch

    appended, _ = _first(conditioning_from)
    return [[torch.cat([tensor, appended], dim=1), dict(options)] for tensor, options in conditioning_to]


@node(
    id="ConditioningAverage",
    title="ConditioningAverage",
    category="conditioning",
    output_tooltips=("A prompt between the two.",),
)
def conditioning_average(
    conditioning_to: Conditioning,
    conditioning_from: Conditioning,
    conditioning_to_strength: Annotated[float, Range(0.0, 1.0, 0.01)] = 1.0,
) -> Conditioning:
    """Mix two prompts into one that means something between them.

    Args:
        conditioning_to: The prompt whose length and limits are kept.
        conditioning_from: The prompt that is mixed in; of several, the first.
        conditioning_to_strength: Share of the first prompt.
    """
    share = conditioning_to_strength
    tensor, options = _first(conditioning_from)
    return [
        [_mixed(to, _as_long_as(tensor, to), share), _averaged(to_options, options.get("pooled_output"), share)]
        for to, to_options in conditioning_to
    ]


def _first(conditioning: Any) -> tuple[Any, dict[str, Any]]:
    if not conditioning:
        raise NodeError("The input 'conditioning_from' holds no prompt at all: link a text encoding node to it.")
    tensor, options = conditioning[0]
    return tensor, options


def _mixed(to: Any, other: Any, share: float) -> Any:
    return to * share + other * (1.0 - share)


def _as_long_as(tensor: Any, like: Any) -> Any:
    """Cut, or filled up with zeros, to the same number of tokens."""
    import torch

    length = like.shape[1]
    missing = max(0, length - tensor.shape[1])
    return torch.nn.functional.pad(tensor[:, :length], (0, 0, 0, missing))


def _averaged(options: dict[str, Any], pooled: Any, share: float) -> dict[str, Any]:
    if pooled is None:
        return dict(options)
    own = options.get("pooled_output")
    return {**options, "pooled_output": pooled if own is None else _mixed(own, pooled, share)}


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes that mix prompts."""
    return [conditioning_combine, conditioning_concat, conditioning_average]
