"""More prompts are drawn than trained on; what is thrown away must leave no trace."""

import warnings
from itertools import product
from math import prod

import pytest
import torch
from given_runs import PROMPTS, build_trainer, train

from hista_repro.errors import Refused
from hista_repro.training import CreditGRPOTrainer


class Recording(CreditGRPOTrainer):
    outputs = ()

    def _generate_and_score_completions(self, inputs):
        output = super()._generate_and_score_completions(inputs)
        self.outputs = (*self.outputs, output)
        self.drawn = len(inputs)
        return output


def mixed_for_some(prompts, completions, **_):
    """Groups of the first and the last prompt have mixed rewards; the others are all right."""
    return [float("3" in text) if prompt in (PROMPTS[0], PROMPTS[3]) else 1.0 for prompt, text in zip(prompts, completions, strict=True)]


@pytest.mark.parametrize("estimator", [None, "hista-loo"])
def test_the_most_mixed_groups_are_kept(random_model, tmp_path, estimator):
    settings = {"estimator": estimator, "oversampling": 2, "reward_funcs": mixed_for_some}
    trainer = build_trainer(Recording, random_model, tmp_path, config={"max_steps": 1, "num_iterations": 2}, **settings)
    trainer.train()
    (output,) = trainer.outputs
    assert trainer.drawn == 32
    assert {len(value) for value in output.values() if value.ndim > 0} == {16}
    assert {example["prompt"] for example in trainer.sampled.inputs} == {PROMPTS[0], PROMPTS[3]}
    assert output["num_items_in_batch"] == output["completion_mask"].sum()
    assert trainer.state.log_history[0]["dynamic_sampling/mixed_groups"] == 1.0


def test_training_on_what_was_kept_is_training_on_it_alone(random_model, tmp_path):
    """The prompts that are kept, drawn without any others, give the same step."""
    common = {"reward_funcs": mixed_for_some, "estimator": "hista-loo"}
    config = {"max_steps": 1, "loss_type": "dapo"}
    kept = train(build_trainer(CreditGRPOTrainer, random_model, tmp_path, config=config, oversampling=2, **common))
    trainer = build_trainer(CreditGRPOTrainer, random_model, tmp_path, config=config, **common)
    trainer.train_dataset = trainer.train_dataset.select([0, 3])
    alone = train(trainer)
    torch.testing.assert_close(kept["parameters"], alone["parameters"], atol=1e-6, rtol=0)


def test_fewer_prompts_than_trained_on_cannot_be_drawn(random_model, tmp_path):
    with pytest.raises(Refused, match="oversampling must be 1 or more"):
        build_trainer(CreditGRPOTrainer, random_model, tmp_path, oversampling=0)


STATES = {"A": (0.2, 0.9), "B": (0.8, 0.1)}
"""The chance that a rollout reaches the state in which it then acts, and the chance that the action there is the right one."""


def gradient_shares(baseline, size, keeps):
    """For each state the mean policy gradient over the groups of `size` rollouts that `keeps` takes, as a share of the true one.

    `baseline(state, others)` is what is subtracted from a reward, and `keeps(right)` says of a group by its number of right answers
    whether it is trained on. All groups are gone through.
    """
    found = dict.fromkeys(STATES, 0.0)
    for group in product(product(STATES, (0, 1)), repeat=size):
        chance = prod(STATES[state][0] * (STATES[state][1] if right else 1 - STATES[state][1]) for state, right in group)
        (state, right), others = group[0], [reward for _, reward in group[1:]]
        score = right - STATES[state][1]  # of the logit of the right action
        found[state] += chance * keeps(right + sum(others)) * score * (right - baseline(state, others))
    return {state: share / (STATES[state][0] * STATES[state][1] * (1 - STATES[state][1])) for state, share in found.items()}


def of_the_state(state, others):
    return STATES[state][1]


def of_the_others(state, others):
    return sum(others) / len(others)


@pytest.mark.parametrize("baseline", [of_the_state, of_the_others])
def test_all_groups_give_the_true_gradient(baseline):
    assert gradient_shares(baseline, 3, lambda right: True) == pytest.approx({"A": 1.0, "B": 1.0})


def test_selection_weighs_states_by_their_values():
    """The own reward decides with the others whether a group is mixed, so the true values of states tilt the gradient."""
    assert gradient_shares(of_the_state, 2, lambda right: right == 1) == pytest.approx({"A": 0.308, "B": 0.692})
    shares = gradient_shares(of_the_state, 4, lambda right: right == 2)
    assert shares["B"] > 1.3 * shares["A"]


@pytest.mark.parametrize(("size", "kept"), [(2, (1,)), (4, (1, 2, 3)), (4, (2,))])
def test_selection_gives_the_mean_of_the_others_one_factor(size, kept):
    shares = gradient_shares(of_the_others, size, lambda right: right in kept)
    assert shares["A"] == pytest.approx(shares["B"])
    if len(kept) == size - 1:  # what is dropped are groups whose advantages are all 0
        assert shares["A"] == pytest.approx(1.0)


@pytest.mark.parametrize(("estimator", "oversampling", "warned"), [("hista-loo", 2, 1), ("loo-mean", 2, 0), ("hista-loo", 1, 0)])
def test_it_warns_once_where_selection_biases_the_gradient(random_model, tmp_path, estimator, oversampling, warned):
    settings = {"estimator": estimator, "oversampling": oversampling}
    trainer = build_trainer(CreditGRPOTrainer, random_model, tmp_path, config={"max_steps": 2}, **settings)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.train()
    assert sum("which biases the policy gradient" in str(warning.message) for warning in caught) == warned
