"""Finds out what a model file is, from its header alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from host.models.errors import AmbiguousModel, UnknownFamily, UnknownModel
from sdk.models import Header, Identity, ModelFamily, Refusal

_NAME_SHOWN = 80


def identify(header: Header, families: Sequence[ModelFamily], hook: Any = None) -> Identity:
    """What the file is, according to the ``identify_model`` hook or else to the one family that claims it.

    A hook that names a family alone has that family decide.

    Raises UnknownModel with what each family said, AmbiguousModel where several claim the file, and UnknownFamily
    where the hook names a family that isn't there.
    """
    decided: Identity | str | None = None if hook is None else hook.identify_model(header=header)
    if decided is not None:
        name = decided if isinstance(decided, str) else decided.family
        families = [family for family in families if family.name == name] or _unknown(header, name, families)
        if isinstance(decided, Identity):
            return decided
    claims: list[Identity] = []
    refusals: dict[str, str] = {}
    for family in families:
        answer = _ask(family, header)
        if isinstance(answer, Refusal):
            refusals[family.name] = answer.reason
        else:
            claims.append(answer)
    if not claims:
        raise UnknownModel(header.path, refusals, _holding(header))
    if len(claims) > 1:
        raise AmbiguousModel(header.path, claims)
    return claims[0]


def _unknown(header: Header, name: str, families: Sequence[ModelFamily]) -> NoReturn:
    raise UnknownFamily(header.path, name, [family.name for family in families])


def _holding(header: Header) -> str:
    """How many tensors there are in a file, and the names of the first, of one in the middle, and of the last."""
    names = list(header.tensors)
    shown = dict.fromkeys(names[place][:_NAME_SHOWN] for place in (0, len(names) // 2, -1)) if names else {}
    return f"{len(names)} tensors, such as {', '.join(shown)}" if names else "no tensors"


def _ask(family: ModelFamily, header: Header) -> Identity | Refusal:
    try:
        return family.identify(header)
    except Exception as error:
        error.add_note(f"raised by the model family {family.name!r}, which was asked about {header.path}")
        raise
