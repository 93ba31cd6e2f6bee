"""What a file says of its network's prediction, in its metadata and by tensors that are marks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from host.builtin_nodes.families.refusals import LayoutError
from sdk.models import Header

V_PREDICTION_KEY = "v_pred"
"""A tensor whose presence says that the network predicts v."""

ZERO_SNR_KEY = "ztsnr"
"""A tensor whose presence says that the last noise level has no signal."""

_METADATA = ("modelspec.prediction_type", "modelspec.predict_key")
"""As trainers write it, and as the standard for model metadata has it."""

_V_NAMES, _EPSILON_NAMES = ("v", "v_prediction"), ("eps", "epsilon")


def stated_prediction(header: Header, facts: Mapping[str, Any]) -> str | None:
    """``eps`` or ``v`` where metadata or a mark says which; None where nothing does.

    Raises:
        LayoutError: the metadata names another prediction.
    """
    stated = facts.get("prediction") or next(
        (header.metadata[key] for key in _METADATA if key in header.metadata), None
    )
    if stated in _V_NAMES or V_PREDICTION_KEY in header.tensors:
        return "v"
    if stated is None:
        return None
    if stated in _EPSILON_NAMES:
        return "eps"
    raise LayoutError(f"its metadata says that it predicts {stated!r}")
