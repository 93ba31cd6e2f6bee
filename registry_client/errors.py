"""What can go wrong while packs are installed.

CommandError
└── ClientError
    ├── BadSettings          the client's settings file can't be used
    ├── BadRequirement       what was asked for is no pack, folder, archive or address
    │   └── UnreadableFile   a picture or workflow can't be read, or is larger than any could be
    ├── NotThere             a pack, version, generation, node or file that was named is not there
    ├── NoRegistry           no registry is configured
    ├── Unreachable          a registry gave no usable answer, and nothing is kept of it
    ├── Mismatch             an archive is not the one that the registry or the lock names
    ├── NoSolution           the packs asked for can't be installed together
    ├── ShadowsHost          a Python package would hide, or be hidden by, one of the host's
    ├── DuplicateNodes       node ids that several packs claim
    ├── ImportFailed         packs that can't be imported
    ├── NotWritten           a file or folder that was named for something can't be written
    ├── InstallFailed        a step failed for another reason: a full disk, uv, git
    ├── Busy                 another process is changing this installation
    ├── LockDiffers          the installation is not what the lock says
    ├── CannotRestore        what made a picture can't be had any more
    ├── Ambiguous            several packs provide what is wanted; one must be named
    └── CheckFailed          a search or audit found what it looked for
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sdk.commands import CommandError, ExitCode


class ClientError(CommandError):
    """Root of the client's errors. ``facts`` travel into the JSON form."""

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.message, self.facts = message, facts

    def __str__(self) -> str:
        return self.message

    def as_json(self) -> dict[str, Any]:
        return {**super().as_json(), **self.facts}


class BadSettings(ClientError):
    """The client's settings file can't be used."""

    exit_code = ExitCode.USAGE


class BadRequirement(ClientError):
    """What was asked for is no pack, folder, archive or address."""

    exit_code = ExitCode.USAGE


class UnreadableFile(BadRequirement):
    """A picture or workflow can't be read, or is larger than any could be."""


class NotThere(ClientError):
    """A pack, version, generation, node or file that was named is not there."""

    exit_code = ExitCode.NOT_FOUND


class NoRegistry(ClientError):
    """No registry is configured."""

    exit_code = ExitCode.USAGE

    def __init__(self) -> None:
        super().__init__(
            "no registry is configured. Name one with --registry ADDRESS, or write it into comfy-packs.toml:\n"
            '  [[registry]]\n  name = "ours"\n  url = "https://registry.example"'
        )


class Unreachable(ClientError):
    """A registry gave no usable answer, and nothing is kept of it."""

    exit_code = ExitCode.UNREACHABLE

    def __init__(
        self, url: str, problem: str, remedy: str = "Check the address and the network, and try again."
    ) -> None:
        super().__init__(f"{url}: {problem}. {remedy}", url=url)
        self.url, self.problem = url, problem


class Mismatch(ClientError):
    """An archive is not the one that the registry or the lock names."""

    exit_code = ExitCode.INTEGRITY

    def __init__(self, what: str, expected: str, found: str) -> None:
        super().__init__(
            f"{what}: its content is not what was announced (expected {expected}, got {found}). Nothing was changed; "
            "try again, and tell the registry's operator if it stays so.",
            expected=expected,
            found=found,
        )


class ShadowsHost(ClientError):
    """A Python package would hide, or be hidden by, one of the host's.

    Attributes:
        module: the import name in question.
        package: the distribution that was to be installed.
        owner: the distribution that has the module already.
    """

    exit_code = ExitCode.CONFLICT

    def __init__(self, module: str, package: str, owner: str) -> None:
        super().__init__(
            f"the Python package {package} brings the module {module!r}, which belongs to {owner} here; packs would "
            "get one and expect the other. Nothing was changed. Ask the pack's author to drop or replace the "
            "requirement.",
            module=module,
            package=package,
            owner=owner,
        )
        self.module, self.package, self.owner = module, package, owner


class DuplicateNodes(ClientError):
    """Node ids that several packs claim; ``duplicates`` is {node id: [(pack, version), …]}."""

    exit_code = ExitCode.DUPLICATE_NODES

    def __init__(self, duplicates: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        lines = [
            f"  node {node!r}: {' and '.join(' '.join(claim) for claim in claims)}"
            for node, claims in sorted(duplicates.items())
        ]
        packs = sorted({pack for claims in duplicates.values() for pack, _ in claims if pack != "core"})
        super().__init__(
            "\n".join(["several packs provide the same node; nothing was changed", *lines])
            + f"\nLeave one out, or decide with --prefer {packs[0] if packs else 'PACK'}: it gets the name, and the "
            "other's node stays reachable as pack/node.",
            duplicates={node: [list(claim) for claim in claims] for node, claims in sorted(duplicates.items())},
        )
        self.duplicates = {node: tuple(claims) for node, claims in duplicates.items()}


class ImportFailed(ClientError):
    """Packs that can't be imported; ``failures`` is {pack: what its import said}."""

    exit_code = ExitCode.CHECK_FAILED

    def __init__(self, failures: Mapping[str, str]) -> None:
        lines = [f"  {pack}: {said}" for pack, said in sorted(failures.items())]
        super().__init__(
            "\n".join(["some packs can't be imported here; nothing was changed", *lines])
            + "\nAsk their authors, or install with --no-import-check to have them all the same.",
            failures=dict(failures),
        )
        self.failures = dict(failures)


class NotWritten(ClientError):
    """A file or folder that was named for something can't be written."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"{path} can't be written ({error.strerror or error}). Name another place.", path=str(path))


class InstallFailed(ClientError):
    """A step failed for another reason: a full disk, uv, git."""


class Busy(ClientError):
    """Another process is changing this installation."""

    exit_code = ExitCode.BUSY

    def __init__(self, folder: str, holder: str) -> None:
        super().__init__(
            f"another process{holder} is changing the packs in {folder}. Wait until it is done, and try again.",
            folder=folder,
        )


class LockDiffers(ClientError):
    """The installation is not what the lock says; ``differences`` holds a sentence for each.

    Args:
        file: the lock or picture, where it is not the installation's own.
        remedy: what helps, where ``sync`` does not.
    """

    exit_code = ExitCode.LOCK_DIFFERS

    def __init__(self, differences: Sequence[str], file: str = "", remedy: str = "") -> None:
        super().__init__(
            "\n".join([f"the installation is not what {file or 'the lock'} says", *(f"  {d}" for d in differences)])
            + "\n"
            + (remedy or f"Run `{f'comfy-nodes sync {file}'.rstrip()}` to make it so."),
            differences=list(differences),
        )


class CannotRestore(ClientError):
    """What made a picture can't be had any more; ``differences`` holds a sentence for each."""

    exit_code = ExitCode.LOCK_DIFFERS

    def __init__(self, differences: Sequence[str], packs: Sequence[str]) -> None:
        super().__init__(
            "the packs that made it can't be brought back as they were; nothing was changed"
            + "".join(f"\n  {line}" for line in differences)
            + f"\nTo have what comes nearest: comfy-nodes install {' '.join(packs)}",
            differences=list(differences),
        )
        self.differences = tuple(differences)


class Ambiguous(ClientError):
    """Several packs provide what is wanted; ``choices`` is {node: [pack, …]}."""

    exit_code = ExitCode.USAGE

    def __init__(self, choices: Mapping[str, Sequence[str]]) -> None:
        lines = [f"  node {node!r}: {', '.join(packs)}" for node, packs in sorted(choices.items())]
        some = next(iter(choices.values()))[0]
        super().__init__(
            "\n".join(["several packs provide nodes of this workflow", *lines])
            + f"\nSay which to install with --choose PACK, such as --choose {some}.",
            choices={node: list(packs) for node, packs in choices.items()},
        )


class CheckFailed(ClientError):
    """A search or audit found what it looked for."""

    exit_code = ExitCode.CHECK_FAILED
