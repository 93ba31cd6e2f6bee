"""Facts about samplers that the code running them acts on; they go into ``Sampler.traits``."""

from __future__ import annotations

BROWNIAN_NOISE = "brownian_noise"
"""Its step noise belongs to one Brownian path, so that it hardly depends on the number of steps."""

CONTINUED_NOISE = "continued_noise"
"""Its step noise continues the random stream the start noise came from."""

LIFTED_END = "lifted_end"
"""It can't reach 0: a schedule's final 0 becomes 0.001."""

OWN_MASK_NOISE = "own_mask_noise"
"""Under a noise mask the kept area is noised from a stream of its own."""
