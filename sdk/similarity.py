"""Code that several packs share: near-identical nodes, and packs that hold a copy of another."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

PERMUTATIONS = 128
SCHEME = "affine32"  # signatures are stored, so neither may change
RECALL = 0.99
Signature = tuple[int, ...]


@dataclass(frozen=True)
class Group:
    """Names whose code is alike, in order; ``similarity`` is the lowest by which one was joined to another (0..1)."""

    members: tuple[str, ...]
    similarity: float


@dataclass(frozen=True)
class Copy:
    """``share`` (0..1) of the code of ``inner`` is in ``outer`` too."""

    inner: str
    outer: str
    share: float


def near(signatures: Iterable[tuple[str, Signature]], threshold: float = 0.8) -> tuple[Group, ...]:
    """Groups of two or more whose estimated Jaccard similarity reaches the threshold.

    MinHash with locality-sensitive hashing (Broder 1997; Leskovec, Rajaraman and Ullman, *Mining of Massive Datasets*,
    section 3.4). Of pairs that are just as alike as the threshold asks, 99 % are found; of others nearly all.
    Members are joined through others too, so the ends of a chain may be less alike.

    Args:
        signatures: names with the signatures of ``sdk.inspection``; empty signatures are left out.
        threshold: 0..1.
    """
    from datasketch import MinHashLSH  # here, because it imports numpy

    names: dict[Signature, list[str]] = defaultdict(list)
    for name, signature in signatures:
        if signature:
            names[signature].append(name)
    distinct = list(names)
    index = MinHashLSH(num_perm=PERMUTATIONS, params=_bands(threshold))
    joined = _Joined()
    for position, signature in enumerate(distinct):
        made = _minhash(signature)
        for other in index.query(made):
            alike = similarity(signature, distinct[other])
            if alike >= threshold:
                joined.join(position, other, alike)
        index.insert(position, made, check_duplication=False)
    groups = (_group(names, [distinct[p] for p in positions], lowest) for positions, lowest in joined.groups(distinct))
    return tuple(sorted((group for group in groups if len(group.members) > 1), key=lambda group: group.members))


def similarity(one: Signature, other: Signature) -> float:
    """The estimated Jaccard similarity of two signatures of equal length (0..1)."""
    return sum(a == b for a, b in zip(one, other, strict=True)) / len(one) if one else 0.0


def vendored(codes: Mapping[str, Iterable[str]], *, share: float = 0.8, least: int = 2) -> tuple[Copy, ...]:
    """Packs of whose code a large part is in another pack too, the largest share first.

    Two packs that are copies of each other are named both ways.

    Args:
        codes: the code hashes of each pack's nodes; empty ones are left out.
        share: from which part on a pack counts as copied (0..1).
        least: so many nodes must be the same.
    """
    by_pack = {pack: {code for code in values if code} for pack, values in codes.items()}
    holders: dict[str, list[str]] = defaultdict(list)
    for pack, values in by_pack.items():
        for code in values:
            holders[code].append(pack)
    shared: Counter[tuple[str, str]] = Counter()
    for packs in holders.values():
        shared.update((inner, outer) for inner in packs for outer in packs if inner != outer)
    found = (
        Copy(inner, outer, count / len(by_pack[inner])) for (inner, outer), count in shared.items() if count >= least
    )
    return tuple(sorted((c for c in found if c.share >= share), key=lambda c: (-c.share, c.inner, c.outer)))


def _bands(threshold: float) -> tuple[int, int]:
    """(bands, rows of each): as many rows as may be while a pair at the threshold shares a band often enough."""
    rows = range(PERMUTATIONS, 0, -1)
    fits = (r for r in rows if 1 - (1 - threshold**r) ** (PERMUTATIONS // r) >= RECALL)
    best = next(fits, 1)
    return PERMUTATIONS // best, best


def _minhash(signature: Signature) -> object:
    import numpy as np
    from datasketch import MinHash

    return MinHash(num_perm=PERMUTATIONS, hashvalues=np.array(signature, dtype=np.uint32), scheme=SCHEME)


def _group(names: Mapping[Signature, list[str]], signatures: Sequence[Signature], lowest: float) -> Group:
    return Group(tuple(sorted(name for signature in signatures for name in names[signature])), lowest)


class _Joined:
    """Disjoint sets of positions, with the lowest similarity by which each was joined."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}
        self._lowest: dict[int, float] = {}

    def join(self, one: int, other: int, alike: float) -> None:
        """Put both into one set."""
        first, second = self._root(one), self._root(other)
        lowest = min(alike, self._lowest.pop(first, 1.0), self._lowest.pop(second, 1.0))
        self._parent[second] = first
        self._lowest[first] = lowest

    def _root(self, position: int) -> int:
        while (parent := self._parent.get(position, position)) != position:
            self._parent[position] = self._parent.get(parent, parent)
            position = parent
        return position

    def groups(self, positions: Sequence[object]) -> Iterator[tuple[list[int], float]]:
        """The sets, also those of one position."""
        members: dict[int, list[int]] = defaultdict(list)
        for position in range(len(positions)):
            members[self._root(position)].append(position)
        for root, found in members.items():
            yield found, self._lowest.get(root, 1.0)
