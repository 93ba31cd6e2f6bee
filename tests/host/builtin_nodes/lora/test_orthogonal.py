"""OFT and BOFT against their definition, with matrices as large as the weight."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from host.builtin_nodes.lora.errors import DeltaMisfit, MalformedLayer
from host.builtin_nodes.lora.orthogonal import read_orthogonal
from tests.host.builtin_nodes.lora.small_model import drawn

NAMES = {"layer": "layer.weight"}


def applied(tensors: dict[str, Tensor], weight: Tensor, strength: float = 1.0) -> Tensor:
    deltas, used = read_orthogonal(tensors, NAMES)
    assert used == tensors.keys()
    result: Tensor = deltas["layer"].apply(weight, weight, strength)
    return result


def cayley(block: Tensor) -> Tensor:
    skew, identity = block - block.T, torch.eye(len(block))
    return (identity + skew) @ torch.linalg.inv(identity - skew)


def test_oft_turns_neighbouring_outputs() -> None:
    weight, blocks = drawn(6, 4), drawn(3, 2, 2, seed=1)
    rotation = torch.block_diag(*[cayley(block).T for block in blocks])

    torch.testing.assert_close(applied({"layer.oft_blocks": blocks}, weight), rotation @ weight)


@pytest.mark.parametrize("shape", [(8, 3), (8, 3, 3, 3)])
def test_turning_keeps_the_length_of_every_input_s_column(shape: tuple[int, ...]) -> None:
    weight = drawn(*shape)
    found = applied({"layer.oft_blocks": drawn(2, 4, 4, seed=1)}, weight)
    torch.testing.assert_close(found.flatten(1).norm(dim=0), weight.flatten(1).norm(dim=0))


def test_boft_brings_outputs_together_that_are_ever_further_apart() -> None:
    weight, blocks = drawn(8, 5), drawn(2, 4, 2, 2, seed=1)
    wanted = weight
    for stage, apart in enumerate((1, 2)):
        rows = torch.arange(8).reshape(-1, 2, apart).transpose(1, 2).reshape(4, 2)
        moved = wanted.clone()
        for pair, block in zip(rows, blocks[stage], strict=True):
            moved[pair] = cayley(block) @ wanted[pair]
        wanted = moved

    torch.testing.assert_close(applied({"layer.oft_blocks": blocks}, weight), wanted)


def test_a_constraint_shortens_long_generators() -> None:
    weight, blocks = drawn(4, 4), 5 * drawn(2, 2, 2, seed=1)
    length = (blocks - blocks.mT).norm()
    short = applied({"layer.oft_blocks": blocks, "layer.alpha": torch.tensor(0.5)}, weight)

    torch.testing.assert_close(short, applied({"layer.oft_blocks": blocks * 0.5 / length}, weight))


def test_kohya_s_trainer_states_the_constraint_for_each_output() -> None:
    weight, blocks = drawn(4, 4), 5 * drawn(2, 2, 2, seed=1)
    own = {"oft_unet_layer.oft_blocks": blocks, "oft_unet_layer.alpha": torch.tensor(0.125)}
    deltas, used = read_orthogonal(own, {"oft_unet_layer": "layer.weight"})
    others = {"layer.oft_blocks": blocks, "layer.alpha": torch.tensor(4 * 0.125)}

    assert used == own.keys()
    torch.testing.assert_close(deltas["oft_unet_layer"].apply(weight, weight, 1.0), applied(others, weight))


def test_rescale_multiplies_each_output_and_strength_goes_from_nothing_to_all() -> None:
    weight, factor = drawn(4, 3), torch.tensor([1.0, 2.0, 3.0, 4.0]).reshape(4, 1)
    tensors = {"layer.oft_blocks": torch.zeros(2, 2, 2), "layer.rescale": factor}

    torch.testing.assert_close(applied(tensors, weight), weight * factor)
    torch.testing.assert_close(applied(tensors, weight, 0.0), weight)


def test_blocks_that_don_t_make_up_the_outputs_are_refused() -> None:
    with pytest.raises(DeltaMisfit):
        applied({"layer.oft_blocks": torch.zeros(2, 2, 2)}, drawn(6, 3))
    with pytest.raises(MalformedLayer, match="blocks have shape"):
        read_orthogonal({"layer.oft_blocks": torch.zeros(2, 2)}, NAMES)
