"""Who asks, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a token allows."""

    PUBLISH = "publish:pack"
    MANAGE = "manage:publisher"
    ACCOUNT = "account"
    ADMIN = "admin"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Whom a token speaks for.

    Attributes:
        actor: as the audit log names it.
        publisher, user: whom it speaks for; both "" for the operator.
        packs: the packs, folded, that the token is for; empty for any.
        provenance: what a trusted publisher's identity token said of the build.
    """

    actor: str
    scopes: frozenset[str]
    token_id: str = ""
    publisher: str = ""
    user: str = ""
    packs: frozenset[str] = frozenset()
    expires: str = ""
    provenance: str = ""
    last_used: str | None = None

    @property
    def is_admin(self) -> bool:
        """Whether it may do everything."""
        return Scope.ADMIN in self.scopes

    def has(self, scope: Scope) -> bool:
        """Whether the token allows this kind of thing at all."""
        return self.is_admin or scope in self.scopes


OPERATOR = Identity(actor="operator", scopes=frozenset({Scope.ADMIN}))
"""Who works on the machine itself, at the command line."""
