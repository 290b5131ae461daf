"""Hidden-Align: where anchors are, who takes part, and what the loss adds to a step."""

import pytest
import torch
from given_runs import build_trainer, count_of, train

from hista_repro.rollouts.group import HiddenStates, RolloutGroup
from hista_repro.training import CreditGRPOTrainer
from hista_repro.training.hidden_align import Anchors, HiddenAlign, HiddenAlignMixin, anchor


class Aligned(HiddenAlignMixin, CreditGRPOTrainer):
    pass


MARKERS = ("4", "7", "3")
SETTINGS = {"estimator": "loo-mean", "reward_funcs": count_of("347")}


@pytest.mark.parametrize(
    ("text", "ends", "expected"),
    [
        ("so \\boxed{3}", (2, 3, 5, 9, 12), 2),
        ("so \\boxed{3}", (2, 5, 12), 1),  # the token that holds the space holds the marker's beginning too
        ("\\boxed{3}", (4, 9), 0),
        ("A: 1 #### 2", tuple(range(1, 12)), 5),  # the first marker of the list that occurs, not the first in the text
        ("nothing", (7,), None),
    ],
)
def test_the_anchor_is_before_the_first_token_of_the_marker(text, ends, expected):
    assert anchor(text, ends, (r"\boxed", "####", "A:")) == expected


def group(rewards: list[float]) -> RolloutGroup:
    hidden = tuple(torch.full((3, 2), float(i)) + torch.arange(3.0)[:, None] for i in range(len(rewards)))
    texts = ("ab#",) * len(rewards)
    return RolloutGroup(
        *("p", texts, ((1, 2, 3),) * len(texts), torch.tensor(rewards)), hidden_of=lambda layer: HiddenStates(torch.ones(1, 2), hidden)
    )


def test_correct_rollouts_take_part_if_there_are_two():
    generator, align = torch.Generator().manual_seed(0), HiddenAlign(markers=("#",))
    anchors = Anchors.of(group([1.0, 0.0, 1.0]), align, generator)
    assert anchors.tokens_M.tolist() == [2, 2, 2]
    assert anchors.states_M_D[:, 0].tolist() == [1.0, 2.0, 3.0]
    assert anchors.aligned(align, generator).tolist() == [0, 2]
    alone = Anchors.of(group([1.0, 0.0, 0.0]), align, generator)
    assert alone.aligned(align, generator).tolist() == []
    mixed = HiddenAlign(markers=("#",), control="wrong-too")
    assert len(anchors.aligned(mixed, generator)) == 2


def test_without_weight_it_changes_nothing(random_model, tmp_path):
    plain = train(build_trainer(CreditGRPOTrainer, random_model, tmp_path, **SETTINGS))
    silent = train(build_trainer(Aligned, random_model, tmp_path, align=HiddenAlign(weight=0.0, markers=MARKERS), **SETTINGS))
    torch.testing.assert_close(plain["parameters"], silent["parameters"], atol=0, rtol=0)


@pytest.mark.parametrize("form", ["cosine", "l2"])
def test_the_loss_draws_correct_rollouts_together(random_model, tmp_path, form):
    """With advantages of nought the step follows this loss alone, and lowers it on the same rollouts."""
    align = HiddenAlign(weight=1.0, form=form, markers=MARKERS)
    config = {"max_steps": 4, "num_iterations": 4, "learning_rate": 0.02}
    trainer = build_trainer(Aligned, random_model, tmp_path, align=align, estimator="own-return", allow_biased=True, config=config)
    trainer.train()
    losses = [entry["align/loss"] for entry in trainer.state.log_history if "align/loss" in entry]
    assert len(losses) == 4
    assert losses[-1] < losses[0]
    first = trainer.state.log_history[0]
    assert 0 < first["align/share"] < 1
    assert -1 <= first["align/cosine_correct"] <= 1


@pytest.mark.parametrize("mask_truncated", [False, True])
def test_micro_batches_change_nothing(random_model, tmp_path, mask_truncated):
    """Where truncated completions are left out, those of one row may have none of its columns."""
    runs, shares = [], []
    for config in ({}, {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 16}):
        align, config = HiddenAlign(weight=1.0, markers=MARKERS), {**config, "mask_truncated_completions": mask_truncated}
        trainer = build_trainer(Aligned, random_model, tmp_path, align=align, config=config, **SETTINGS)
        runs.append(train(trainer))
        shares.append(trainer.state.log_history[0]["align/share"])
    torch.testing.assert_close(runs[0]["parameters"], runs[1]["parameters"], atol=1e-5, rtol=0)
    assert shares == [0.5 if mask_truncated else 0.625] * 2
