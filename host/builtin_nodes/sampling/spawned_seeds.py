"""Seeds of the children of a ``numpy.random.SeedSequence``, many times sooner than through the children themselves.

Of a child only its first 32-bit word of state is asked for, and that word depends on one word of the parent's pool and
on the child's key (O'Neill 2015, "Developing a seed_seq Alternative"; the constants are ``SeedSequence``'s).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_WORD = 0xFFFFFFFF
_INIT_A, _MULT_A = 0x43B0D7E5, 0x931E8875
_INIT_B, _MULT_B = 0x8B51F9DD, 0x58F38DED
_MIX_L, _MIX_R = 0xCA01F9DD, 0x4973F715
_SHIFT = 16


class SpawnedSeeds:
    """The first words of state of a sequence's children: ``SpawnedSeeds(parent)(*key)``.

    It equals ``SeedSequence(parent.entropy, spawn_key=key, pool_size=parent.pool_size).generate_state(1)[0]`` for
    entropy that fits into the pool, as every integer seed does.
    """

    def __init__(self, parent: np.random.SeedSequence) -> None:
        size = len(parent.pool)
        self._pool = int(parent.pool[0])
        # The multiplier moves on with every word that is hashed: the pool's, each of them into each other, then a
        # child's words into all of the pool.
        self._multiplier = _INIT_A * pow(_MULT_A, size * size, _WORD + 1) & _WORD
        self._per_word = pow(_MULT_A, size, _WORD + 1)

    def __call__(self, *key: int) -> int:
        """The word, 0 .. 2^32 - 1, for a key of numbers from 0."""
        state, multiplier = self._pool, self._multiplier
        for number in key:
            for word in _words(number):
                hashed = _scrambled((word ^ multiplier) * (multiplier * _MULT_A & _WORD))
                state = _scrambled(_MIX_L * state - _MIX_R * hashed)
                multiplier = multiplier * self._per_word & _WORD
        return _scrambled((state ^ _INIT_B) * (_INIT_B * _MULT_B & _WORD))


def _words(number: int) -> Iterator[int]:
    """A number as 32-bit words, the lowest first; at least one."""
    yield number & _WORD
    while number := number >> 32:
        yield number & _WORD


def _scrambled(product: int) -> int:
    low = product & _WORD
    return low ^ (low >> _SHIFT)
