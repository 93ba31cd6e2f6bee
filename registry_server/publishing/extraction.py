"""Nodes that were found by running a pack, where static reading could not find them all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from registry_server.accounts.identity import Identity, Scope
from registry_server.accounts.service import require
from registry_server.audit.repository import record
from registry_server.errors import BadRequest, Conflict
from registry_server.index import repository as index
from registry_server.index.service import Indexer
from registry_server.nodes import repository as nodes
from registry_server.nodes.service import check_node_id, claim_rows, take_ownership
from registry_server.packs import repository as packs
from registry_server.packs.service import find_pack, find_release
from sdk.registry import digest, encode_schemas

_NESTED = {"input_types": "input", "return_types": "output", "return_names": "output_name"}


@dataclass(frozen=True)
class Extraction:
    """Completes releases whose nodes could not all be read."""

    indexer: Indexer

    def complete(
        self,
        session: Session,
        who: Identity,
        moment: datetime,
        pack_id: str,
        version: str,
        found: Mapping[str, Mapping[str, Any]],
    ) -> None:
        """Add nodes to a release; what static reading found stays as it is.

        Raises:
            Conflict: nothing is missing.
            BadRequest: a node can't be called so, or what is nested is no JSON.
            NodeOwned: nodes are others'.
            Forbidden: this identity is no admin.
        """
        require(who, Scope.ADMIN)
        index.lock(session)
        pack = find_pack(session, pack_id)
        release = find_release(session, pack, version)
        if release.nodes_complete:
            raise Conflict(f"All nodes of {pack.slug} {release.version} are known already.")
        for node_id in found:
            check_node_id(node_id)
        known = {row["id"] for row in release.nodes}
        added = {node_id: node for node_id, node in found.items() if node_id not in known}
        take_ownership(session, moment, pack, added)
        body = packs.schemas(session, release.schemas) if release.schemas else None
        schemas = json.loads(body) if body else {}
        schemas |= {node_id: _schema(node_id, node) for node_id, node in added.items()}
        document = encode_schemas(schemas)
        release.schemas = digest(document)
        packs.put_schemas(session, release.schemas, document)
        release.nodes = [*release.nodes, *(_row(node_id, node) for node_id, node in added.items())]
        release.nodes_complete = True
        if pack.latest_id == release.id:
            nodes.put_claims(session, pack.id, claim_rows(release.nodes), release.version)
        record(session, moment, who.actor, "release.nodes", f"pack/{pack.slug}/{release.version}", added=sorted(added))
        self.indexer.changed(session, moment, pack, "metadata", release.version)


def _row(node_id: str, node: Mapping[str, Any]) -> dict[str, Any]:
    texts = {key: node.get(key) for key in ("category", "description", "function")}
    return {"id": node_id} | {key: value for key, value in texts.items() if isinstance(value, str) and value}


def _schema(node_id: str, node: Mapping[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = {"name": node_id}
    for key, ours in _NESTED.items():
        try:
            schema[ours] = json.loads(node.get(key) or ("{}" if key == "input_types" else "[]"))
        except (TypeError, ValueError, RecursionError) as error:
            raise BadRequest(f"{node_id}: {key} must be a text that holds JSON.") from error
    schema["output_is_list"] = [bool(one) for one in node.get("output_is_list") or []]
    return schema | {key: node[key] for key in ("category", "description") if isinstance(node.get(key), str)}
