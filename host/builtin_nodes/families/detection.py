"""How families say what a file is: each has a detector, which reads the header and raises where it is no such file."""

from __future__ import annotations

from collections.abc import Callable

from host.builtin_nodes.families.refusals import WHOLE_NUMBERS, LayoutError, PackedWeights
from sdk.models import Header, Identity, Refusal

Detector = Callable[[Header], Identity]
"""Gives a file's identity, with what decided it; raises LayoutError, which says where the file departs from it."""

_WEIGHT = ".weight"


def identified(header: Header, detect: Detector) -> Identity | Refusal:
    """What a detector makes of a file; what it raises becomes the refusal.

    A file of the right layout is refused where its weights are stored in a form that can't be read here.
    """
    try:
        identity = detect(header)
        header.derived(_check_stored_forms)
    except LayoutError as error:
        return Refusal(error.reason)
    return identity


def _check_stored_forms(header: Header) -> None:
    """Refuse weights packed into whole numbers: bitsandbytes' nf4, NVFP4, int8 and their like."""
    if WHOLE_NUMBERS.isdisjoint({info.dtype for info in header.tensors.values()}):
        return
    for key, info in header.tensors.items():
        if info.dtype in WHOLE_NUMBERS and key.endswith(_WEIGHT):
            raise PackedWeights(key, info.dtype)
