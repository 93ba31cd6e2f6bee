"""Signatures of node code as bytes, and the bands by which alike ones are found.

MinHash with banding (Leskovec, Rajaraman and Ullman, *Mining of Massive Datasets*, section 3.4): of two signatures with
a similarity of 0.8, 95 % share a band; of two with 0.5, 6 % do.
"""

from __future__ import annotations

import struct
from hashlib import blake2b

from sdk.similarity import PERMUTATIONS, Signature

BANDS = 16
_WIDTH = 4 * PERMUTATIONS // BANDS
_FORM = f"<{PERMUTATIONS}I"


def encode_signature(signature: Signature) -> bytes:
    """Four bytes for each permutation."""
    return struct.pack(_FORM, *signature) if signature else b""


def decode_signature(body: bytes) -> Signature:
    """The opposite of ``encode_signature``."""
    return struct.unpack(_FORM, body) if body else ()


def bands(body: bytes) -> list[int]:
    """A number of 64 bits for each band of an encoded signature; they are stored, so they may not change."""
    parts = (body[start : start + _WIDTH] for start in range(0, len(body), _WIDTH))
    digests = (blake2b(part, digest_size=8, key=bytes([number])).digest() for number, part in enumerate(parts))
    return [int.from_bytes(found, "little", signed=True) for found in digests]
