"""Publishes through the Comfy Registry's API, which any registry of ours speaks, too.

A version is announced with its metadata and gets an address to which the archive is put. The token travels in the
body of the announcement, nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from sdk.authoring.errors import RegistryRefused
from sdk.authoring.registry_api import checked, pieces
from sdk.manifest import PackManifest

COMFY_REGISTRY = "https://api.comfy.org"
_SECONDS = httpx.Timeout(60, connect=15)


def announcement(manifest: PackManifest, token: str, changelog: str = "") -> dict[str, Any]:
    """The body that announces a version."""
    support = {
        "supported_os": list(manifest.systems),
        "supported_accelerators": list(manifest.accelerators),
        "supported_comfyui_version": manifest.requires_comfyui,
        "supported_comfyui_frontend_version": manifest.requires_frontend,
    }
    node = {
        "id": manifest.name,
        "description": manifest.description,
        "icon": manifest.icon,
        "name": manifest.display_name,
        "license": json.dumps(dict(manifest.license)),
        "repository": manifest.repository,
        "banner_url": manifest.banner,
    }
    version = {"version": manifest.version, "dependencies": list(manifest.dependencies)} | support
    if changelog:
        version["changelog"] = changelog
    return {"personal_access_token": token, "node": node | support, "node_version": version}


def publish(
    registry: str,
    manifest: PackManifest,
    archive: Path,
    token: str,
    *,
    changelog: str = "",
    sent: Callable[[int], object] = lambda count: None,
    transport: httpx.BaseTransport | None = None,
) -> dict[str, Any]:
    """Announce the version and put the archive; gives the registry's record of the version.

    Raises:
        RegistryRefused: the registry, or the storage it names, does not take it; the message has no token in it.
    """
    what = f"publish {manifest.name} {manifest.version}"
    address = f"{registry}/publishers/{quote(manifest.publisher)}/nodes/{quote(manifest.name)}/versions"
    with httpx.Client(timeout=_SECONDS, transport=transport) as client:
        try:
            answer = client.post(address, json=announcement(manifest, token, changelog))
            said = checked(answer, registry, what, 201)
            headers = {"Content-Type": "application/zip", "Content-Length": str(archive.stat().st_size)}
            put = client.put(_signed(said, registry, what), content=pieces(archive, sent), headers=headers)
        except httpx.HTTPError as error:
            reason = (str(error) or type(error).__name__).replace(token, "…")
            raise RegistryRefused(registry, what, 0, reason) from error
    if put.status_code != 200:
        reason = f"the version is announced, but its storage answered {put.status_code} to the archive"
        raise RegistryRefused(registry, what, put.status_code, reason)
    version: dict[str, Any] = said.get("node_version", {})
    return version


def _signed(said: dict[str, Any], registry: str, what: str) -> str:
    address = said.get("signedUrl")
    if not isinstance(address, str) or not address.startswith(("http://", "https://")):
        raise RegistryRefused(registry, what, 0, "its answer names no address for the archive")
    return address
