"""Speaks with a registry of our own kind: who am I, publish, yank, deprecate."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx

from sdk.authoring.errors import RegistryRefused

CHUNK = 256 * 1024
_ANSWER_SECONDS = 600  # the registry examines an archive before it answers
_CONNECT_SECONDS = 15


class RegistryApi:
    """One registry, with a token. Closed at the end of a ``with`` block.

    Every method gives the registry's JSON, and raises ``RegistryRefused`` with its sentence for any other answer.

    Args:
        registry: address of its root.
        token: sent with every request.
        transport: for tests.
    """

    def __init__(self, registry: str, token: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self.registry = registry
        self._client = httpx.Client(
            base_url=f"{registry}/api/v1/",
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS),
            transport=transport,
        )

    def __enter__(self) -> RegistryApi:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._client.close()

    def whoami(self) -> dict[str, Any]:
        """Publisher, scopes and end of the token."""
        return self._ask("accept the token", "GET", "whoami")

    def exchange(self, oidc_token: str) -> dict[str, Any]:
        """A short-lived token for a build's identity token: ``{"token", "expires"}``."""
        body = {"oidc_token": oidc_token}
        return self._ask("accept the identity token", "POST", "trusted-publishing/token", json=body)

    def audience(self) -> str:
        """The audience that a build's identity token must name."""
        answer = self._ask("tell its audience", "GET", "trusted-publishing/audience")
        return str(answer.get("audience", self.registry))

    def publish(
        self, what: str, archive: Path, *, changelog: str = "", sent: Callable[[int], object] = lambda count: None
    ) -> dict[str, Any]:
        """Send an archive.

        Args:
            what: pack and version, for messages.
            sent: called with the number of bytes of each piece that went out.
        """
        headers = {"Content-Type": "application/zip", "Content-Length": str(archive.stat().st_size)}
        if changelog:
            headers["X-Changelog"] = quote(changelog)
        return self._ask(
            f"publish {what}", "POST", "packs/upload", content=pieces(archive, sent), headers=headers, expected=201
        )

    def yank(self, pack: str, version: str, reason: str) -> dict[str, Any]:
        """Take a version out of resolving."""
        return self._ask(f"yank {pack} {version}", "POST", _version_path(pack, version), json={"reason": reason})

    def unyank(self, pack: str, version: str) -> dict[str, Any]:
        """Let it resolve again."""
        return self._ask(f"bring {pack} {version} back", "DELETE", _version_path(pack, version))

    def deprecate(self, pack: str, reason: str, replacement: str, version: str) -> dict[str, Any]:
        """Ask users to leave a pack, or one version of it."""
        body = {"reason": reason, "replacement": replacement} | ({"version": version} if version else {})
        return self._ask(f"deprecate {_named(pack, version)}", "POST", f"packs/{quote(pack)}/deprecate", json=body)

    def undeprecate(self, pack: str, version: str) -> dict[str, Any]:
        """Take that back."""
        what = f"take back the deprecation of {_named(pack, version)}"
        params = {"version": version} if version else {}
        return self._ask(what, "DELETE", f"packs/{quote(pack)}/deprecate", params=params)

    def _ask(self, what: str, method: str, path: str, *, expected: int = 200, **request: Any) -> dict[str, Any]:
        try:
            answer = self._client.request(method, path, **request)
        except httpx.HTTPError as error:
            raise RegistryRefused(self.registry, what, 0, str(error) or type(error).__name__) from error
        return checked(answer, self.registry, what, expected)


def checked(answer: httpx.Response, registry: str, what: str, expected: int) -> dict[str, Any]:
    """The answer's JSON object.

    Raises:
        RegistryRefused: the status is another one, or the body is no JSON object.
    """
    try:
        body = answer.json()
    except ValueError:
        body = None
    if answer.status_code == expected and isinstance(body, dict):
        return body
    said = body if isinstance(body, dict) else {}
    reason = said.get("message") or f"it answered {answer.status_code} {answer.reason_phrase}".strip()
    if waits := answer.headers.get("Retry-After"):
        reason = f"{str(reason).rstrip('.')}; it asks to wait {waits} s"
    details = said.get("details")
    raise RegistryRefused(
        registry,
        what,
        answer.status_code,
        str(reason),
        code=str(said.get("error", "")),
        details=details if isinstance(details, list) else (),
    )


def pieces(archive: Path, sent: Callable[[int], object]) -> Iterator[bytes]:
    """The file's bytes, each piece reported once it was taken."""
    with archive.open("rb") as file:
        while piece := file.read(CHUNK):
            yield piece
            sent(len(piece))


def _version_path(pack: str, version: str) -> str:
    return f"packs/{quote(pack)}/versions/{quote(version)}/yank"


def _named(pack: str, version: str) -> str:
    return f"{pack} {version}".strip()
