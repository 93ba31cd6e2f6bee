"""Which ids packs may have: they become names of folders and files, and parts of addresses."""

from __future__ import annotations

import re

LONGEST_PACK_ID = 100
_PACK_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")


def is_pack_id(text: str) -> bool:
    """Whether a pack can be called this: 1 to 100 letters, digits, ``.``, ``_`` and ``-`` of ASCII, none of the latter
    three at an end. So no id leads out of a folder, and none looks like another one in another alphabet."""
    return len(text) <= LONGEST_PACK_ID and _PACK_ID.fullmatch(text) is not None
