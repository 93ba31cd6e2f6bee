"""A pack in ComfyUI's form that steers sampling as popular ones do: guidance, patches of the network, samplers."""

from .attention import PlainAttentionAway, TiledAttention
from .masks import LaterMask
from .mixing import BackboneScale, EarlyMean, SpreadKept
from .samplers import add_to_lists
from .wrapping import OneAtATime, PromptScaled

add_to_lists()

NODE_CLASS_MAPPINGS = {
    "BackboneScale": BackboneScale,
    "EarlyMean": EarlyMean,
    "LaterMask": LaterMask,
    "OneAtATime": OneAtATime,
    "PlainAttentionAway": PlainAttentionAway,
    "PromptScaled": PromptScaled,
    "SpreadKept": SpreadKept,
    "TiledAttention": TiledAttention,
}
