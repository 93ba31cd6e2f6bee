"""What clients of the Comfy Registry send; unknown fields are skipped."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from registry_server.requests import Text

Short = Annotated[Text, Field(max_length=2000)]
Texts = Annotated[list[Short], Field(max_length=1000)]


class Node(BaseModel):
    """A pack, as an announcement describes it."""

    id: Short
    name: Short | None = None
    description: Annotated[Text, Field(max_length=1000)] | None = None
    repository: Short | None = None


class NodeEdit(BaseModel):
    """What may be changed of a pack between two releases."""

    name: Short | None = None
    description: Annotated[Text, Field(max_length=1000)] | None = None
    author: Short | None = None
    category: Short | None = None
    license: Short | None = None
    icon: Short | None = None
    banner_url: Short | None = None
    repository: Short | None = None
    tags: Texts | None = None


class NodeVersion(BaseModel):
    """A version, as an announcement describes it; the archive's own manifest counts in the end."""

    version: Annotated[Text, Field(max_length=100)]
    changelog: Annotated[Text, Field(max_length=100_000)] | None = None
    dependencies: Texts | None = None
    deprecated: bool | None = None


class Announcement(BaseModel):
    """Body of ``POST /publishers/{publisher}/nodes/{node}/versions``; the token is a field of it."""

    personal_access_token: Text | None = None
    node: Node
    node_version: NodeVersion


class VersionEdit(BaseModel):
    """What may be changed of a version."""

    changelog: Annotated[Text, Field(max_length=100_000)] | None = None
    deprecated: bool | None = None


class VersionReview(BaseModel):
    """An admin's decision on a version."""

    status: Text
    status_reason: Short | None = None


class PublisherBody(BaseModel):
    """A publisher's profile."""

    id: Short | None = None
    name: Short | None = None
    description: Short | None = None
    website: Short | None = None
    support: Short | None = None
    source_code_repo: Short | None = None
    logo: Short | None = None


class TokenBody(BaseModel):
    """A token to be made."""

    name: Short | None = None
    description: Short | None = None


class Identifier(BaseModel):
    """One version."""

    node_id: Short
    version: Short


class BulkVersions(BaseModel):
    """Body of ``POST /bulk/nodes/versions``."""

    node_versions: Annotated[list[Identifier], Field(max_length=1000)]


class Extracted(BaseModel):
    """Body of ``POST /nodes/{node}/versions/{version}/comfy-nodes``: nodes found by running the pack."""

    success: bool = True
    reason: Short | None = None
    status: Short | None = None
    nodes: dict[Text, dict[str, Any]] = Field(default_factory=dict, max_length=5000)
