from __future__ import annotations

import torch

from host.builtin_nodes.images.compositing import join_image_with_alpha, split_image_with_alpha


def test_what_was_joined_can_be_split() -> None:
    image, mask = torch.rand(2, 4, 6, 3), torch.rand(2, 4, 6)
    colours, transparent = split_image_with_alpha(join_image_with_alpha(image, mask))
    assert torch.equal(colours, image)
    torch.testing.assert_close(transparent, mask)


def test_a_picture_without_alpha_is_opaque() -> None:
    assert split_image_with_alpha(torch.rand(1, 2, 2, 3))[1].max() == 0.0


def test_the_mask_is_resized_and_the_shorter_batch_counts() -> None:
    joined = join_image_with_alpha(torch.rand(3, 4, 6, 3), torch.full((2, 2, 2), 0.25))
    assert joined.shape == (2, 4, 6, 4)
    torch.testing.assert_close(joined[..., 3], torch.full((2, 4, 6), 0.75))
