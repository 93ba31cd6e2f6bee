"""Names by which XLabs' trainer calls a Flux transformer's layers: those of the attention processors it puts in."""

from __future__ import annotations

from collections.abc import Mapping

from sdk.models import PatchTarget, Stacked

_DOUBLE = {
    "qkv_lora1": "img_attn.qkv",
    "proj_lora1": "img_attn.proj",
    "qkv_lora2": "txt_attn.qkv",
    "proj_lora2": "txt_attn.proj",
}
_QUERY_KEY_VALUE = 3


def processor_names(names: Mapping[str, PatchTarget], double_blocks: int, single_blocks: int) -> dict[str, PatchTarget]:
    """Further names for the weights that attention processors change.

    Args:
        names: those that the layers have by the original's paths.
        double_blocks, single_blocks: how many blocks of a kind there are.
    """
    found: dict[str, PatchTarget] = {}
    for number in range(double_blocks):
        block = f"double_blocks.{number}"
        found |= {f"{block}.processor.{name}": names[f"{block}.{layer}"] for name, layer in _DOUBLE.items()}
    for number in range(single_blocks):
        block = f"single_blocks.{number}"
        found[f"{block}.processor.qkv_lora"] = _attention_rows(names[f"{block}.linear1"])
        found[f"{block}.processor.proj_lora"] = names[f"{block}.linear2"]
    return found


def _attention_rows(fused: PatchTarget) -> PatchTarget:
    """Query, key and value of a layer that has the first rows of the MLP, too."""
    assert isinstance(fused, Stacked), "the module has a layer for each"
    return Stacked(fused.sources[:_QUERY_KEY_VALUE], fused.lengths[:_QUERY_KEY_VALUE])
