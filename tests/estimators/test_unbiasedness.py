"""What every estimator promises with its information set, and that the published forms break it."""

from functools import cache
from itertools import product

import pytest
import torch
from synthetic_groups import every_position, make_group, random_group, random_tokens

from hista_repro.estimators import available_estimators, get_estimator
from hista_repro.estimators.transformed import Transformed

AVAILABLE = {name: information for name, information in available_estimators().items() if not hasattr(get_estimator(name), "model")}
"""Those that run a model of their own are shown to keep the promise in test_critic.py, on a model."""
UNBIASED = [name for name, information in AVAILABLE.items() if information.unbiased]
BIASED = [name for name, information in AVAILABLE.items() if not information.unbiased]
AVERAGES = [name for name in AVAILABLE if not get_estimator(name).learns and not name.startswith("mcs-") and name != "zero"]
"""Those whose values are averages of the group's rewards: not from other prompts, not from fresh continuations, and not nought."""
READ_THE_FUTURE = ["hista-released", "numca-released", "ramp"]
SIZE = 6


@cache
def ready(name, length=35):
    """The estimator, for short completions, fitted on other prompts where it learns; "hista-loo, whitened" on transformed hidden states."""
    name, _, kind = name.partition(", ")
    estimator = (Transformed(get_estimator(name), kind) if kind else get_estimator(name)).for_length(length)
    return estimator.fit([random_group(seed) for seed in range(100, 112)]) if estimator.learns else estimator


def values_of(estimator, tokens, rewards):
    group = make_group(tokens, rewards, name="asked")
    return estimator.values(group, every_position(group))


def largest_change_by_own_reward(estimator):
    """How far a rollout's values move when its own reward flips, at most."""
    tokens, rewards = random_tokens(0, SIZE), [0.0, 1.0, 1.0, 0.0, 1.0, 0.0]
    before = values_of(estimator, tokens, rewards)
    changes = []
    for i in range(SIZE):
        flipped = [1 - reward if j == i else reward for j, reward in enumerate(rewards)]
        changes.append((values_of(estimator, tokens, flipped)[i] - before[i]).abs().max())
    return float(max(changes))


def largest_change_by_own_future(estimator):
    """How far the value of a state moves when the tokens after it become others, fewer or more, at most."""
    tokens, rewards = random_tokens(0, SIZE), [0.0, 1.0, 1.0, 0.0, 1.0, 0.0]
    before = values_of(estimator, tokens, rewards)
    changes = []
    for i, cut in product(range(SIZE), (0, 1, 8, 13, 19, 24)):
        future = random_tokens(cut, SIZE, shortest=0, longest=40)[i]
        edited = [rollout[:cut] + future if j == i else rollout for j, rollout in enumerate(tokens)]
        after = values_of(estimator, edited, rewards)[i]
        changes.append((after[: cut + 1] - before[i][: cut + 1]).abs().max())
    return float(max(changes))


@pytest.mark.parametrize("name", [*UNBIASED, "hista-loo, whitened", "hista-cosine-loo, centred"])
def test_own_reward_and_own_future_change_no_value(name):
    assert largest_change_by_own_reward(ready(name)) < 1e-6
    assert largest_change_by_own_future(ready(name)) < 1e-5, "up to the rounding of products of other shapes"


@pytest.mark.parametrize("name", BIASED)
def test_own_return_estimators_move_with_the_own_reward(name):
    assert largest_change_by_own_reward(ready(name)) > 0.01


@pytest.mark.parametrize("name", [name for name in READ_THE_FUTURE if name in BIASED])
def test_some_move_with_the_own_future_too(name):
    assert largest_change_by_own_future(ready(name)) > 0.01


@pytest.mark.parametrize("reward", [0.0, 1.0, 0.3])
@pytest.mark.parametrize("name", AVERAGES)
def test_equal_rewards_give_that_reward_and_nothing_near_it(name, reward):
    values = values_of(ready(name), random_tokens(2, SIZE), [reward] * SIZE)
    assert all((part == torch.tensor(reward)).all() for part in values)


@pytest.mark.parametrize("name", AVAILABLE)
def test_values_are_float32_one_for_each_position_asked(name):
    group = random_group(3)
    full = ready(name).values(group, every_position(group))
    assert [part.shape for part in full] == [(group.length(i) + 1,) for i in range(group.size)]
    assert all(part.dtype == torch.float32 and torch.isfinite(part).all() for part in full)
    some = ready(name).values(group, [[9, 0, 9], [], [20], [1, 2], [], [5]])
    expected = [full[0][[9, 0, 9]], full[1][[]], full[2][[20]], full[3][[1, 2]], full[4][[]], full[5][[5]]]
    for found, wanted in zip(some, expected, strict=True):
        assert torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("asked", [(0,), ()])
@pytest.mark.parametrize("name", AVAILABLE)
def test_a_group_that_wrote_nothing_has_values(name, asked):
    rewards = [0.0, 1.0, 1.0]
    values = ready(name).values(make_group([()] * 3, rewards), [asked] * 3)
    assert [part.shape for part in values] == [(len(asked),)] * 3
    assert all(part.dtype == torch.float32 and torch.isfinite(part).all() for part in values)


@pytest.mark.parametrize(("name", "means"), [("last-token-knn-loo", (1.0, 0.5, 0.5)), ("hista-released", (2 / 3,) * 3)])
def test_what_has_no_neighbours_is_worth_the_mean(name, means):
    values = ready(name).values(make_group([()] * 3, [0.0, 1.0, 1.0]), [[0]] * 3)
    assert [part.item() for part in values] == pytest.approx(means)


class TwoSteps:
    """Two choices with words between them, and a reward for each of the four rollouts; the policy is a table of probabilities."""

    FIRST, BETWEEN, SECOND = (3, 4), (0, 1, 0), (5, 6)  # " 1" or " 2", " so then so", " 3" or " 12"
    STATES = (0, 4)
    POLICY = {(): (0.3, 0.7), (0,): (0.6, 0.4), (1,): (0.2, 0.8)}  # noqa: RUF012
    REWARD = {(0, 0): 1.0, (0, 1): 0.0, (1, 0): 0.25, (1, 1): 0.75}  # noqa: RUF012

    @classmethod
    def probability(cls, rollout):
        return cls.POLICY[()][rollout[0]] * cls.POLICY[rollout[:1]][rollout[1]]

    @classmethod
    def score(cls, rollout, step):
        """Gradient of log pi(a_t | s_t) by the six logits, two per state."""
        gradient = torch.zeros(3, 2, dtype=torch.float64)
        state = list(cls.POLICY).index(rollout[:step])
        gradient[state] -= torch.tensor(cls.POLICY[rollout[:step]], dtype=torch.float64)
        gradient[state, rollout[step]] += 1
        return gradient.flatten()

    @classmethod
    def gradient(cls):
        """Of the expected reward."""
        return sum(cls.probability(r) * cls.REWARD[r] * (cls.score(r, 0) + cls.score(r, 1)) for r in cls.REWARD)

    @classmethod
    def group(cls, rollouts, name="asked"):
        return make_group([(cls.FIRST[a], *cls.BETWEEN, cls.SECOND[b]) for a, b in rollouts], [cls.REWARD[r] for r in rollouts], name)

    @classmethod
    def expected_estimate(cls, name, size=3):
        """The policy gradient with the estimator's values for baseline, in expectation over all groups of `size` rollouts."""
        estimator = get_estimator(name).for_length(5)
        if estimator.learns:
            others = [(a, b, c) for a, b, c in product(cls.REWARD, repeat=3) if len({a, b, c}) > 1]
            estimator = estimator.fit([cls.group(rollouts, name=f"other {k}") for k, rollouts in enumerate(others[:24])])
        total = torch.zeros(6, dtype=torch.float64)
        for rollouts in product(cls.REWARD, repeat=size):
            values = estimator.values(cls.group(rollouts), [cls.STATES] * size)
            weight = torch.tensor([cls.probability(rollout) for rollout in rollouts], dtype=torch.float64).prod() / size
            for rollout, (first, second) in zip(rollouts, torch.stack(values).double().tolist(), strict=True):
                reward = cls.REWARD[rollout]
                total += weight * (cls.score(rollout, 0) * (reward - first) + cls.score(rollout, 1) * (reward - second))
        return total


@pytest.mark.parametrize("name", UNBIASED)
def test_unbiased_baselines_give_the_true_policy_gradient(name):
    assert torch.allclose(TwoSteps.expected_estimate(name), TwoSteps.gradient(), atol=1e-6)


def test_the_group_mean_scales_the_policy_gradient():
    assert torch.allclose(TwoSteps.expected_estimate("group-mean", size=3), 2 / 3 * TwoSteps.gradient(), atol=1e-6)


@pytest.mark.parametrize("name", [name for name in ("hista", "hista-released", "numca", "numca-released", "otb", "ramp") if name in BIASED])
def test_the_published_forms_give_another_direction(name):
    estimate, gradient = TwoSteps.expected_estimate(name), TwoSteps.gradient()
    assert torch.cosine_similarity(estimate, gradient, dim=0) < 1 - 1e-5, "no multiple of the gradient"


def test_the_own_return_leaves_no_gradient():
    assert torch.allclose(TwoSteps.expected_estimate("own-return"), torch.zeros(6, dtype=torch.float64), atol=1e-6)
