"""What a registry tells its clients: the records, their JSON, and where each document lies.

The one thing that ``registry_server`` and ``registry_client`` share. ``docs/registry_index.md`` describes the same
for people who read an index with other programs.
"""

from sdk.registry.documents import (
    decode_bundle,
    decode_changes,
    decode_config,
    decode_pack,
    decode_schemas,
    encode_bundle,
    encode_changes,
    encode_config,
    encode_pack,
    encode_schemas,
    read_object,
    read_record,
)
from sdk.registry.errors import BadIndexDocument
from sdk.registry.layout import (
    CHANGES_PER_PAGE,
    CONFIG_PATH,
    FORMAT,
    SNAPSHOT_PATH,
    bundle_path,
    changes_page_path,
    digest,
    fold,
    manifest_path,
    pack_path,
    pinned_pack_path,
    schemas_path,
    shard,
)
from sdk.registry.records import Change, Deprecation, IndexConfig, NodeClaim, Pack, Release, State
from sdk.registry.snapshots import read_snapshot

__all__ = [
    "CHANGES_PER_PAGE",
    "CONFIG_PATH",
    "FORMAT",
    "SNAPSHOT_PATH",
    "BadIndexDocument",
    "Change",
    "Deprecation",
    "IndexConfig",
    "NodeClaim",
    "Pack",
    "Release",
    "State",
    "bundle_path",
    "changes_page_path",
    "decode_bundle",
    "decode_changes",
    "decode_config",
    "decode_pack",
    "decode_schemas",
    "digest",
    "encode_bundle",
    "encode_changes",
    "encode_config",
    "encode_pack",
    "encode_schemas",
    "fold",
    "manifest_path",
    "pack_path",
    "pinned_pack_path",
    "read_object",
    "read_record",
    "read_snapshot",
    "schemas_path",
    "shard",
]
