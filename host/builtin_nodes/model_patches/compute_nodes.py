"""Nodes that say how a model is computed, and change nothing about what."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from sdk import Model, NodeType, TypedCombo, hookimpl, node
from sdk.models import COMPILE, COMPUTE_DTYPE

_DEFAULT = "default"


@node(
    id="TorchCompileModel",
    category="_for_testing",
    experimental=True,
    output_tooltips=("The model, compiled when it is first used.",),
)
def torch_compile_model(
    model: Model, *, backend: Annotated[Literal["inductor", "cudagraphs"], TypedCombo(multiselect=False)]
) -> Model:
    """Compile the blocks that a network repeats: the first steps take longer, the others less.

    What is compiled serves every prompt and LoRA, nearly every size, and later runs. Steps at which other nodes change
    what happens inside of the network run as before.

    Args:
        model: The model to compile.
        backend: Inductor makes faster code, on the CPU with a C++ compiler; cudagraphs only spares a GPU waiting.
    """
    return model.with_options(**{COMPILE: backend})


@node(
    id="ModelComputeDtype",
    category="advanced/debug/model",
    output_tooltips=("The model, computed in that type.",),
)
def model_compute_dtype(model: Model, *, dtype: Literal["default", "fp32", "fp16", "bf16"]) -> Model:
    """Choose in what numbers a model is computed, whatever its file holds.

    Args:
        model: The model.
        dtype: 32 bits are exact; 16 bits take half of the memory, and of the time where the device is made for them.
    """
    return model.with_options(**{COMPUTE_DTYPE: None if dtype == _DEFAULT else dtype})


@hookimpl
def register_nodes() -> Iterable[NodeType]:
    """Nodes for speed and precision."""
    return [torch_compile_model, model_compute_dtype]
