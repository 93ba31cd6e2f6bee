"""Group normalisation (Wu & He 2018) as UNets and autoencoders of latent diffusion use it."""

from __future__ import annotations

from collections.abc import Iterable

from host.builtin_nodes.families.refusals import LayoutError

NORM_GROUPS = 32


def check_widths(widths: Iterable[int]) -> None:
    """Refuse widths that can't be normalised.

    Raises:
        LayoutError: a width is no positive multiple of ``NORM_GROUPS``.
    """
    misfits = [width for width in widths if width < 1 or width % NORM_GROUPS]
    if misfits:
        raise LayoutError(f"a width of {misfits[0]} channels can't be normalised in {NORM_GROUPS} groups")
