"""Errors of the registry, and the exit code each one ends the command line with.

RegistryError                   1
├── BadRequest                  2   the request says something we can't use; ``details`` lists every fault
│   ├── BadArchive              9   an archive, or the manifest in it, can't be used
│   └── VersionExists           7   this version is there already, and versions never change
├── NotAuthenticated           11   no token, or none that we know
├── Forbidden                  11   the token does not allow this
│   ├── UploadRefused          11   an upload address is forged, expired or used up
│   └── Banned                 11   the pack, version or publisher was banned
├── NotFound                    6   there is no such pack, version, node, publisher …
├── Conflict                    7   something else is in the way
│   ├── NameTooSimilar          7   a new pack's name would be taken for another pack's
│   └── NodeOwned               8   node ids of the archive are another pack's; ``details`` lists them
├── TooLarge                    2   a body is larger than allowed
├── TooOften                   13   too many requests of one kind; ``seconds`` says when to come back
├── Damaged                     9   stored bytes are not what they should be
└── Unavailable                10   the database or the storage can't be reached, or another registry
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sdk.commands import CommandError, ExitCode

Detail = str | Mapping[str, Any]


class RegistryError(CommandError):
    """Root of the registry's errors.

    Attributes:
        code: the error's name for programs, such as ``VERSION_EXISTS``.
        message: a sentence.
        details: faults one by one, where there are several.
    """

    code = "ERROR"

    def __init__(self, message: str, details: Sequence[Detail] = ()) -> None:
        super().__init__(message, tuple(details))
        self.message = message
        self.details = tuple(details)

    def __str__(self) -> str:
        return self.message

    def as_json(self) -> dict[str, Any]:
        """The error as the API and ``--json`` give it."""
        return {"error": self.code, "message": self.message, "details": list(self.details)}


class BadRequest(RegistryError):
    """The request says something we can't use."""

    code = "BAD_REQUEST"
    exit_code = ExitCode.USAGE


class BadArchive(BadRequest):
    """An archive, or the manifest in it, can't be used; nothing of it was kept."""

    code = "BAD_ARCHIVE"
    exit_code = ExitCode.INTEGRITY


class VersionExists(BadRequest):
    """This version is there already, and versions never change."""

    code = "VERSION_EXISTS"
    exit_code = ExitCode.CONFLICT

    def __init__(self, pack: str, version: str) -> None:
        self.pack, self.version = pack, version
        # Clients of the Comfy Registry know this very sentence.
        super().__init__("The node version already exists", [{"pack": pack, "version": version}])


class NotAuthenticated(RegistryError):
    """No token, or none that we know."""

    code = "NOT_AUTHENTICATED"
    exit_code = ExitCode.REFUSED


class Forbidden(RegistryError):
    """The token does not allow this."""

    code = "FORBIDDEN"
    exit_code = ExitCode.REFUSED


class UploadRefused(Forbidden):
    """An upload address is forged, expired or used up."""

    code = "UPLOAD_REFUSED"


class Banned(Forbidden):
    """The pack, version or publisher was banned."""

    code = "BANNED"


class NotFound(RegistryError):
    """There is no such thing."""

    code = "NOT_FOUND"
    exit_code = ExitCode.NOT_FOUND

    def __init__(self, kind: str, name: str) -> None:
        self.kind, self.name = kind, name
        super().__init__(f"There is no {kind} {name!r} here.")


class Conflict(RegistryError):
    """Something else is in the way."""

    code = "CONFLICT"
    exit_code = ExitCode.CONFLICT


class NameTooSimilar(Conflict):
    """A new pack's name would be taken for another pack's."""

    code = "NAME_TOO_SIMILAR"

    def __init__(self, name: str, existing: str) -> None:
        self.name, self.existing = name, existing
        super().__init__(
            f"The name {name!r} is too similar to that of the pack {existing!r}: they differ only in '-', '_' and '.', "
            "or in characters that look alike (l, i and 1; o and 0). Choose another name.",
            [{"name": name, "existing": existing}],
        )


class NodeOwned(Conflict):
    """Node ids of an archive are other packs' or the host's.

    Attributes:
        owners: node id to the owner's pack id (``core`` for the host's own nodes).
    """

    code = "NODE_OWNED"
    exit_code = ExitCode.DUPLICATE_NODES

    def __init__(self, pack: str, owners: Mapping[str, str]) -> None:
        self.pack, self.owners = pack, dict(owners)
        listed = ", ".join(f"{node!r} (owned by {owner})" for node, owner in list(owners.items())[:5])
        more = f" and {len(owners) - 5} more" if len(owners) > 5 else ""
        super().__init__(
            f"{pack} may not provide {listed}{more}. Give these nodes ids of your own, or ask the registry's "
            "operator for a transfer or an exception.",
            [{"node": node, "owner": owner} for node, owner in owners.items()],
        )


class TooLarge(RegistryError):
    """A body is larger than allowed."""

    code = "TOO_LARGE"
    exit_code = ExitCode.USAGE

    def __init__(self, limit: int) -> None:
        self.limit = limit
        super().__init__(f"The body is larger than the {limit} bytes that are allowed here.")


class TooOften(RegistryError):
    """Too many requests of one kind; come back after ``seconds``."""

    code = "TOO_OFTEN"
    exit_code = ExitCode.BUSY

    def __init__(self, what: str, seconds: int) -> None:
        self.what, self.seconds = what, seconds
        super().__init__(f"Too many {what}; try again in {seconds} seconds.")


class Damaged(RegistryError):
    """Stored bytes are not what they should be."""

    code = "DAMAGED"
    exit_code = ExitCode.INTEGRITY


class Unavailable(RegistryError):
    """The database, the storage or another registry can't be reached."""

    code = "UNAVAILABLE"
    exit_code = ExitCode.UNREACHABLE
