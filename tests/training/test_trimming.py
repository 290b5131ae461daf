"""Padding that no row of a micro-batch needs is cut, and nothing else is."""

import torch

from hista_repro.training.trimming import trimmed


def inputs_of(mask: list[list[int]]) -> dict[str, torch.Tensor]:
    mask_B_T = torch.tensor(mask)
    rows, width = mask_B_T.shape
    ids = torch.arange(rows * width).view(rows, width)
    return {
        **{"prompt_ids": ids, "completion_ids": ids, "completion_mask": mask_B_T, "advantages": ids.float()},
        **{"importance_sampling_ratio": torch.ones(rows, 1), "align_target": ids.float(), "num_items_in_batch": torch.tensor(7)},
    }


def test_columns_beyond_the_longest_completion_are_cut():
    inputs = inputs_of([[1, 1, 0, 0], [1, 1, 1, 0]])
    found = trimmed(inputs)
    for name in ("completion_ids", "completion_mask", "advantages"):
        assert found[name].equal(inputs[name][:, :3])
    for name in ("prompt_ids", "align_target", "importance_sampling_ratio"):  # of the same width by chance, or one column for all tokens
        assert found[name].equal(inputs[name])


def test_a_token_that_is_masked_within_a_completion_stays():
    assert trimmed(inputs_of([[1, 0, 1, 0]]))["completion_ids"].shape == (1, 3)


def test_one_advantage_for_each_completion_stays_one():
    inputs = {**inputs_of([[1, 0, 0]]), "advantages": torch.tensor([2.0])}
    assert trimmed(inputs)["advantages"].tolist() == [2.0]


def test_where_all_is_needed_or_nothing_is_in_the_loss():
    whole = inputs_of([[1, 1]])
    assert trimmed(whole) is whole
    assert trimmed(inputs_of([[0, 0, 0]]))["completion_ids"].shape == (1, 1)
