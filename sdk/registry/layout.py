"""Where each document of an index lies, relative to the registry's root.

A server answers at these paths, a static export writes files there: a client need not know which it reads.
"""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote

FORMAT = 1
CHANGES_PER_PAGE = 1000
CONFIG_PATH = "index/config.json"
SNAPSHOT_PATH = "index/snapshot.json.zst"


def fold(pack_id: str) -> str:
    """The form in which two pack ids are the same: lower case, runs of ``-``, ``_``, ``.`` are one ``-`` (PEP 503)."""
    return re.sub(r"[-_.]+", "-", pack_id).lower()


def shard(pack_id: str) -> str:
    """Two hexadecimal digits: the folder of a pack's document. 256 folders of about 400 at 100,000 packs."""
    return hashlib.sha256(fold(pack_id).encode()).hexdigest()[:2]


def digest(document: bytes) -> str:
    """The name of a document's content: sha256 in hexadecimal."""
    return hashlib.sha256(document).hexdigest()


def pack_path(pack_id: str) -> str:
    """Where a pack's current document lies; its ETag is the document's digest."""
    return f"index/packs/{shard(pack_id)}/{quote(fold(pack_id), safe='')}.json"


def pinned_pack_path(pack_id: str, document_digest: str) -> str:
    """Where one state of a pack's document lies for ever."""
    return f"index/packs/{shard(pack_id)}/{quote(fold(pack_id), safe='')}.{document_digest[:16]}.json"


def manifest_path(of_shard: str) -> str:
    """``{"folded id": "digest", …}`` of one shard."""
    return f"index/manifest/{of_shard}.json"


def schemas_path(document_digest: str) -> str:
    """The schemas of one release's nodes; immutable."""
    return f"index/schemas/{document_digest[:2]}/{document_digest}.json"


def changes_page_path(serial: int) -> str:
    """The page of the change feed that holds ``serial``: page n holds serials n·1000+1 … (n+1)·1000."""
    return f"index/changes/{(serial - 1) // CHANGES_PER_PAGE}.json"


def bundle_path(since: int) -> str:
    """The changes after the serial ``since`` together with the documents they led to; servers alone have it."""
    return f"index/changes?since={since}&documents=1"
