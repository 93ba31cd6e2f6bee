"""Whether a Stable Diffusion 2.x network predicts noise or velocity, as its weights tell."""

from __future__ import annotations

import logging

from host.builtin_nodes.families.ldm_unet.layout import unet_names
from host.builtin_nodes.families.small_tensors import small_tensor
from sdk.models import Header

logger = logging.getLogger(__name__)

_TELLING = "up_blocks.3.attentions.2.transformer_blocks.0.norm1.bias"
_WIDEST_OF_EPSILON = 0.09
"""Above it lie the standard deviations of this bias in the published models that predict v, below it the others'."""


def weights_prediction(header: Header, prefix: str, *, diffusers: bool) -> str:
    """``eps`` or ``v``. A network without the weight that tells is taken for one that predicts noise."""
    key = unet_names(header, prefix, diffusers=diffusers).get(_TELLING)
    if key is None:
        return "eps"
    bias = small_tensor(header, key)
    if bias is None:
        logger.warning(
            "%s: can't tell whether it predicts noise or velocity; noise is assumed. "
            "The node ModelSamplingDiscrete changes that.",
            header.path,
        )
        return "eps"
    return "v" if float(bias.std(correction=0)) > _WIDEST_OF_EPSILON else "eps"
