"""More prompts are drawn than trained on; what is thrown away must leave no trace."""

import warnings
from itertools import product
from math import prod

import pytest
import torch
from given_runs import PROMPTS, build_trainer, train

from hista_repro.errors import Refused
from hista_repro.estimators import get_estimator
from hista_repro.rollouts.group import RolloutGroup
from hista_repro.training import CreditGRPOTrainer
from hista_repro.training.dynamic_sampling import most_mixed


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


STATES = {"1;": (0.2, 0.9), "2;": (0.8, 0.1)}
"""By its text: the chance that a rollout reaches the state in which it then acts, and the chance that the action there is right."""


def gradient_shares(estimator, size, drawn):
    """For each state the mean policy gradient over groups of `size` rollouts, as a share of the true one, with `estimator` as baseline.

    Of `drawn` groups the most mixed is trained on. All rollouts of a group are gone through, and of the others all rewards.
    """
    outcomes = list(product(STATES, (0, 1)))
    chances = {(state, right): STATES[state][0] * (STATES[state][1] if right else 1 - STATES[state][1]) for state, right in outcomes}
    accuracy = sum(chances[state, 1] for state in STATES)
    rewards = {rewards: prod(accuracy if right else 1 - accuracy for right in rewards) for rewards in product((0, 1), repeat=size)}
    kept = dict.fromkeys(rewards, 0.0)
    for groups in product(rewards, repeat=drawn):
        kept[groups[most_mixed(torch.tensor(groups, dtype=torch.float32), 1)]] += prod(rewards[group] for group in groups)
    found = dict.fromkeys(STATES, 0.0)
    for group in product(outcomes, repeat=size):
        texts, rights = tuple(state for state, _ in group), tuple(right for _, right in group)
        rollouts = RolloutGroup("p", texts, ((len(texts[0]),),) * size, torch.tensor(rights, dtype=torch.float32))
        value = estimator.values(rollouts, [[1], *[[]] * (size - 1)])[0].item()
        weight = prod(chances[rollout] for rollout in group) * kept[rights] / rewards[rights]
        found[texts[0]] += weight * (rights[0] - STATES[texts[0]][1]) * (rights[0] - value)  # the score is of the logit of the right action
    return {state: share / (STATES[state][0] * STATES[state][1] * (1 - STATES[state][1])) for state, share in found.items()}


LOO_MEAN, BY_STATE = get_estimator("loo-mean"), get_estimator("numca-loo", kappa=0.0)


@pytest.mark.parametrize("estimator", [LOO_MEAN, BY_STATE])
def test_all_groups_give_the_true_gradient(estimator):
    assert list(gradient_shares(estimator, 3, 1).values()) == pytest.approx([1, 1])


@pytest.mark.parametrize(("size", "drawn"), [(4, 2), (4, 3)])
def test_selection_weighs_states_by_their_values(size, drawn):
    """The own reward decides with the others whether a group is mixed, so values that differ between states tilt the gradient."""
    shares = list(gradient_shares(BY_STATE, size, drawn).values())
    assert max(shares) > 1.08 * min(shares)


@pytest.mark.parametrize(("size", "drawn"), [(4, 2), (4, 3)])
def test_selection_gives_the_mean_of_the_others_one_factor(size, drawn):
    first, second = gradient_shares(LOO_MEAN, size, drawn).values()
    assert first == pytest.approx(second) and first > 1.1


@pytest.mark.parametrize(("estimator", "oversampling", "warned"), [("hista-loo", 2, 1), ("loo-mean", 2, 0), ("hista-loo", 1, 0)])
def test_it_warns_once_where_selection_biases_the_gradient(random_model, tmp_path, estimator, oversampling, warned):
    settings = {"estimator": estimator, "oversampling": oversampling}
    trainer = build_trainer(CreditGRPOTrainer, random_model, tmp_path, config={"max_steps": 2}, **settings)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.train()
    assert sum("which biases the policy gradient" in str(warning.message) for warning in caught) == warned
