"""The ways of storing weight changes that the host knows by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sdk import PatchFormat, hookimpl

if TYPE_CHECKING:
    from host.builtin_nodes.lora.layers import Found, Names

_LOW_RANK = (
    ".lora_up.weight",
    ".lora_B.weight",
    ".lora_B.default.weight",
    ".lora_B.default_0.weight",
    ".lora_B",
    "_lora.up.weight",
    ".lora.up.weight",
    ".lora_linear_layer.up.weight",
    ".qkv_lora.up.weight",
    ".qkv_lora1.up.weight",
)
"""How the names of the first factors end, once for each layer; ``low_rank.SPELLINGS`` has all names."""


_INPUT_ROTATIONS = (
    ".oft_R.weight",
    ".oft_R.default.weight",
    ".oft_r",
    ".oft_r.default",
    ".boft_R",
    ".boft_R.default",
)


def _read_low_rank(tensors: Mapping[str, Any], names: Names) -> Found:
    from host.builtin_nodes.lora.low_rank import read_low_rank

    return read_low_rank(tensors, names)


def _read_hadamard(tensors: Mapping[str, Any], names: Names) -> Found:
    from host.builtin_nodes.lora.hadamard import read_hadamard

    return read_hadamard(tensors, names)


def _read_kronecker(tensors: Mapping[str, Any], names: Names) -> Found:
    from host.builtin_nodes.lora.kronecker import read_kronecker

    return read_kronecker(tensors, names)


def _read_generalised(tensors: Mapping[str, Any], names: Names) -> Found:
    from host.builtin_nodes.lora.generalised import read_generalised

    return read_generalised(tensors, names)


def _read_full_differences(tensors: Mapping[str, Any], names: Names) -> Found:
    from host.builtin_nodes.lora.full_difference import read_full_differences

    return read_full_differences(tensors, names)


def _read_scalings(tensors: Mapping[str, Any], names: Names) -> Found:
    from host.builtin_nodes.lora.scaling import read_scalings

    return read_scalings(tensors, names)


def _read_input_rotations(tensors: Mapping[str, Any], names: Names) -> Found:
    from host.builtin_nodes.lora.input_rotation import read_input_rotations

    return read_input_rotations(tensors, names)


def _read_orthogonal(tensors: Mapping[str, Any], names: Names) -> Found:
    from host.builtin_nodes.lora.orthogonal import read_orthogonal

    return read_orthogonal(tensors, names)


@hookimpl
def register_patch_formats() -> Sequence[PatchFormat]:
    """LoRA, LoHa, LoKr and GLoRA, each also with DoRA's magnitudes, OFT and BOFT, IA3, and whole differences."""
    return [
        PatchFormat(name="LoRA", read=_read_low_rank, endings=_LOW_RANK),
        PatchFormat(name="LoHa", read=_read_hadamard, endings=(".hada_w1_a", ".hada_w2_a")),
        PatchFormat(name="LoKr", read=_read_kronecker, endings=(".lokr_w1", ".lokr_w1_a")),
        PatchFormat(name="GLoRA", read=_read_generalised, endings=(".b1.weight",)),
        PatchFormat(name="OFT", read=_read_orthogonal, endings=(".oft_blocks",)),
        PatchFormat(name="OFT of PEFT", read=_read_input_rotations, endings=_INPUT_ROTATIONS),
        PatchFormat(name="IA3", read=_read_scalings, endings=(".ia3_l", ".ia3_l.default", ".on_input")),
        PatchFormat(name="full difference", read=_read_full_differences, endings=(".diff", ".diff_b")),
    ]
