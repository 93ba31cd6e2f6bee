"""Ways of storing changes that no format reads, known by their keys so that messages can name them."""

from __future__ import annotations

import re
from collections.abc import Iterable

_KINDS = {
    r"bundle_emb\..+_out": "embeddings that are added to a text encoder's output (OneTrainer)",
    r".+\.lambda_layer": "T-LoRA",
    r".+\.lora_E(\..+)?": "AdaLoRA",
    r".+\.lora_embedding_[AB](\..+)?": "LoRA of an embedding table (PEFT)",
    r".+\.c3a_.+": "C3A",
    r".+\.delora_.+": "DeLoRA",
    r".+\.fourierft_.+": "FourierFT",
    r".+\.gralora_.+": "GraLoRA",
    r".+\.hira_.+": "HiRA",
    r".+\.hra_.+": "HRA",
    r".+\.ln_tuning_.+": "LN tuning",
    r".+\.(miss|bone)_.+": "MiSS (Bone)",
    r".+\.oft_blocks\.\d+": "OFT with a rotation for each part of a fused layer (kohya)",
    r".+\.oft_diag": "OFT of LyCORIS before its version 2",
    r".+\.oft_embedding_R(\..+)?": "OFT of an embedding table (PEFT)",
    r".+\.psoft_.+": "PSOFT",
    r".+\.randlora_.+": "RandLoRA",
    r".+\.road_.+": "RoAd",
    r".+\.shira_.+": "SHiRA",
    r".+\.trainable_tokens_.+": "trainable tokens (PEFT)",
    r".+\.vblora_.+": "VB-LoRA",
    r".+\.p?vera_lambda_.+": "VeRA",
    r".+\.waveft_.+": "WaveFT",
}


def unread_kinds(keys: Iterable[str]) -> list[str]:
    """What is known of keys that no format could use: the names of the ways in which they are stored, in order."""
    listed = list(keys)
    return [kind for pattern, kind in _KINDS.items() if any(re.fullmatch(pattern, key) for key in listed)]
