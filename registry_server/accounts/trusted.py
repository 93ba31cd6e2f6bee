"""Trusted publishing: a build's identity token (OpenID Connect) instead of a stored secret.

The issuer must be one the operator accepts, the audience must be this registry, the signature must be the issuer's,
and repository and workflow must be registered for the pack. Each identity token works once.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Protocol

import httpx
import jwt

from registry_server.accounts import repository
from registry_server.accounts.identity import Identity, Scope
from registry_server.accounts.service import create_token
from registry_server.accounts.tables import TrustedPublisher, UsedAssertion
from registry_server.clock import Clock, stamp
from registry_server.db.database import Database
from registry_server.errors import Forbidden, NotAuthenticated, Unavailable

TOKEN_SECONDS = 900
ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "PS256", "EdDSA")
_LEEWAY_SECONDS = 30
_WORKFLOW = re.compile(r"^(?P<repository>[^@]+?)/\.[^/]+/workflows/(?P<file>[^@/]+)@(?P<ref>.+)$")


class Keys(Protocol):
    """Finds the key that an issuer signed a token with."""

    def key(self, issuer: str, token: str) -> Any:
        """The public key.

        Raises:
            NotAuthenticated: the issuer has no such key.
            Unavailable: the issuer can't be asked.
        """
        ...


class IssuerKeys:
    """Asks issuers for their keys as OpenID Connect Discovery 1.0 says; keeps them for five minutes."""

    def __init__(self, client: httpx.Client | None = None) -> None:
        self._given = client
        self._found: dict[str, jwt.PyJWKClient] = {}
        self._lock = threading.Lock()

    def key(self, issuer: str, token: str) -> Any:
        """The public key.

        Raises:
            NotAuthenticated: the issuer has no such key.
            Unavailable: the issuer can't be asked.
        """
        try:
            return self._keys(issuer).get_signing_key_from_jwt(token).key
        except jwt.PyJWKClientConnectionError as error:
            raise Unavailable(f"The issuer {issuer} can't be asked for its keys: {error}.") from error
        except jwt.PyJWTError as error:
            raise NotAuthenticated(f"The identity token was not signed by {issuer}: {error}.") from error

    @cached_property
    def _client(self) -> httpx.Client:
        return self._given or httpx.Client(timeout=10, follow_redirects=False)

    def _keys(self, issuer: str) -> jwt.PyJWKClient:
        with self._lock:
            if issuer not in self._found:
                self._found[issuer] = jwt.PyJWKClient(self._discover(issuer), lifespan=300, timeout=10)
            return self._found[issuer]

    def _discover(self, issuer: str) -> str:
        try:
            answer = self._client.get(issuer.rstrip("/") + "/.well-known/openid-configuration")
            address = answer.raise_for_status().json()["jwks_uri"]
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise Unavailable(f"The issuer {issuer} does not say where its keys are: {error}.") from error
        if not isinstance(address, str) or not address.startswith(("https://", "http://")):
            raise Unavailable(f"The issuer {issuer} gives no address for its keys.")
        return address


@dataclass(frozen=True, kw_only=True)
class TrustedPublishing:
    """Exchanges identity tokens for tokens of fifteen minutes that publish the packs of that build alone.

    Args:
        issuers: addresses of the issuers that are accepted.
    """

    database: Database
    keys: Keys
    clock: Clock
    issuers: Sequence[str]

    def exchange(self, identity_token: str, audience: str) -> tuple[str, str]:
        """A token, and when it expires.

        Raises:
            NotAuthenticated: the identity token is no valid one, or was used before.
            Forbidden: nothing is registered for its repository and workflow.
            Unavailable: the issuer can't be asked for its keys.
        """
        claims = self._verify(identity_token, audience)
        moment = self.clock()
        used = hashlib.sha256(identity_token.encode()).hexdigest()
        with self.database.write() as session:
            candidates = repository.trusted(session, claims["iss"], str(claims.get("repository", "")))
            chosen = [one for one in candidates if matches(one, claims)]
            if not chosen:
                raise Forbidden(
                    f"No pack here trusts the workflow {_workflow(claims)!r} of {claims.get('repository')!r}."
                )
            repository.forget_assertions(session, stamp(moment))
            if repository.is_used_assertion(session, used):
                raise NotAuthenticated("The identity token was used already; ask the issuer for a new one.")
            ends = datetime.fromtimestamp(claims["exp"] + _LEEWAY_SECONDS, UTC)
            session.add(UsedAssertion(hash=used, expires_at=stamp(ends)))
            secret, row = create_token(
                session,
                Identity(actor=f"trusted:{claims['repository']}", scopes=frozenset({Scope.ADMIN})),
                moment,
                publisher_id=chosen[0].publisher_id,
                scopes=[Scope.PUBLISH],
                seconds=TOKEN_SECONDS,
                name="trusted publishing",
                packs=[one.pack for one in chosen if one.publisher_id == chosen[0].publisher_id],
                origin=_provenance(claims),
            )
        return secret, row.expires_at or ""

    def _verify(self, identity_token: str, audience: str) -> dict[str, Any]:
        try:
            issuer = str(jwt.decode(identity_token, options={"verify_signature": False}).get("iss", ""))
        except (jwt.PyJWTError, ValueError) as error:
            raise NotAuthenticated(f"This is no identity token: {error}.") from error
        if issuer not in self.issuers:
            raise NotAuthenticated(f"Identity tokens of {issuer!r} are not accepted here.")
        key = self.keys.key(issuer, identity_token)
        try:
            claims: dict[str, Any] = jwt.decode(
                identity_token,
                key,
                algorithms=list(ALGORITHMS),
                audience=audience,
                issuer=issuer,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "aud", "iss", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise NotAuthenticated(f"The identity token is not valid here: {error}.") from error
        return claims


def matches(trusted: TrustedPublisher, claims: Mapping[str, Any]) -> bool:
    """Whether a build is the one that was registered: its repository, its workflow file, its environment."""
    found = _WORKFLOW.match(_workflow(claims))
    if found is None or found["file"] != trusted.workflow:
        return False
    same = trusted.repository.lower()
    if found["repository"].lower() != same or str(claims.get("repository", "")).lower() != same:
        return False
    return not trusted.environment or claims.get("environment") == trusted.environment


def _workflow(claims: Mapping[str, Any]) -> str:
    return str(claims.get("job_workflow_ref") or claims.get("workflow_ref") or "")


def _provenance(claims: Mapping[str, Any]) -> str:
    parts = (claims.get("repository"), claims.get("workflow_ref"), claims.get("sha"))
    return " ".join(str(part) for part in parts if part)
