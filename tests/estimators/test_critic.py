"""The critics: GAE, what they learn, that they see the past only, and when they refuse."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hista_repro.estimators import Information, available_estimators, get_estimator
from hista_repro.estimators.authors_critic import AuthorsCritic
from hista_repro.estimators.critic import FairCritic, _split
from hista_repro.estimators.gae import generalized_advantages
from hista_repro.estimators.trajectories import Batch, Trajectory, parts, trajectories_of
from hista_repro.rollouts.group import RolloutGroup

NAMES = ["ppo-1", "ppo-1-authors", "ppo-n", "ppo-n-authors"]
QUICK = {
    "fair": FairCritic(learning_rate=1e-4, epochs=3, batch_size=32),
    "authors": AuthorsCritic(learning_rate=3e-3, epochs=3, batch_size=32),
}
LENGTH = 12


def token_group(seed, size=8, good=0.9, bad=0.1):
    """A group whose rollouts are of odd tokens, rewarded with probability `good`, or of even ones, rewarded with probability `bad`."""
    generator = torch.Generator().manual_seed(seed)
    prompt = [*torch.randint(2, 42, (3,), generator=generator).tolist(), 1]
    odd_G_1 = torch.randint(2, (size, 1), generator=generator)
    tokens = 2 * torch.randint(1, 20, (size, LENGTH), generator=generator) + odd_G_1
    rewards_G = torch.bernoulli(torch.where(odd_G_1[:, 0] == 1, good, bad), generator=generator)
    return plain_group(prompt, tokens.tolist(), rewards_G, f"p{seed}")


def plain_group(prompt, completions, rewards_G, name="p"):
    ends = tuple(range(1, len(completion) + 1) for completion in completions)
    texts = tuple("x" * len(completion) for completion in completions)
    return RolloutGroup(name, texts, ends, rewards_G, prompt_token_ids=prompt, token_ids=tuple(map(tuple, completions)))


def quick(name, model):
    return replace(get_estimator(name), critic=QUICK["authors" if "authors" in name else "fair"]).for_model(str(model))


@pytest.fixture(scope="module")
def fitted(random_model):
    """Every critic, trained a little."""
    groups = [token_group(seed, size=4) for seed in range(12)]
    return {name: quick(name, random_model).fit(groups) for name in NAMES}


def plain_advantages(values, reward, lam, gamma):
    """GAE of one rollout, by its definition (paper, section 3.2)."""
    rewards = [0.0] * (len(values) - 1) + [reward]
    following = [*values[1:], 0.0]
    deltas = [r + gamma * after - v for r, after, v in zip(rewards, following, values, strict=True)]
    return [sum((lam * gamma) ** k * delta for k, delta in enumerate(deltas[t:])) for t in range(len(values))]


@given(
    rows=st.lists(st.lists(st.floats(-2, 2, width=32), min_size=1, max_size=7), min_size=1, max_size=4),
    lam=st.sampled_from([0.0, 0.5, 0.95, 1.0]),
    gamma=st.sampled_from([0.9, 1.0]),
    padding=st.sampled_from([0.0, 1e6, float("nan")]),
)
def test_advantages_are_those_of_the_definition_whatever_the_padding_holds(rows, lam, gamma, padding):
    width = max(map(len, rows)) + 1
    values = torch.tensor([row + [padding] * (width - len(row)) for row in rows])
    rewards = torch.arange(len(rows)) % 2 * 1.0
    last = torch.tensor([len(row) - 1 for row in rows])
    advantages = generalized_advantages(values, rewards, last, lam, gamma)
    for b, row in enumerate(rows):
        expected = plain_advantages(row, float(rewards[b]), lam, gamma)
        assert advantages[b, : len(row)].tolist() == pytest.approx(expected, abs=1e-5)
        assert (advantages[b, len(row) :] == 0).all()


def test_with_lambda_1_the_target_is_the_reward():
    values = torch.rand(3, 4000, generator=torch.Generator().manual_seed(0), requires_grad=True)
    rewards, last = torch.tensor([0.0, 1.0, 0.5]), torch.tensor([3999, 10, 0])
    advantages = generalized_advantages(values, rewards, last, lam=1.0)
    for b in range(3):
        targets = (values + advantages)[b, : last[b] + 1]
        assert torch.allclose(targets, rewards[b].expand_as(targets), atol=1e-6)
    assert not advantages.requires_grad


def test_with_lambda_0_it_is_the_next_value():
    values = torch.tensor([[0.2, 0.5, 0.9]])
    advantages = generalized_advantages(values, torch.tensor([1.0]), torch.tensor([2]), lam=0.0)
    assert (values + advantages)[0].tolist() == pytest.approx([0.5, 0.9, 1.0])


def test_a_batch_by_hand():
    group = plain_group([7, 8], [[3], [], [4, 5]], torch.tensor([1.0, 0.0, 1.0]))
    batch = Batch.pad(trajectories_of(group), torch.device("cpu"))
    assert batch.ids_B_T.tolist() == [[7, 8, 3, 0], [7, 8, 0, 0], [7, 8, 4, 5]]
    assert batch.mask_B_T.int().tolist() == [[1, 1, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1]]
    assert batch.states_B_T.int().tolist() == [[0, 1, 1, 0], [0, 1, 0, 0], [0, 1, 1, 1]]
    assert batch.last_B.tolist() == [2, 1, 3] and batch.rewards_B.tolist() == [1.0, 0.0, 1.0]


def test_parts_hold_every_trajectory_once_and_no_more_than_fits(monkeypatch):
    monkeypatch.setattr("hista_repro.estimators.trajectories.MAX_TOKENS", 12)
    trajectories = [Trajectory(tuple(range(length)), 0, 0.0) for length in (3, 20, 6, 5, 1, 6)]
    found = list(parts(trajectories))
    assert sorted(index for part in found for index in part) == list(range(6))
    assert all(len(part) == 1 or len(part) * max(len(trajectories[k].token_ids) for k in part) <= 12 for part in found)


@pytest.mark.parametrize("name", NAMES)
def test_values_do_not_depend_on_how_they_are_read(name, fitted, monkeypatch):
    group = token_group(50)
    whole = fitted[name].values(group, [range(LENGTH + 1)] * group.size)
    monkeypatch.setattr("hista_repro.estimators.trajectories.MAX_TOKENS", 20)
    some = fitted[name].values(group, [[3, 0, 3], [], *[[LENGTH]] * (group.size - 2)])
    assert torch.allclose(some[0], whole[0][[3, 0, 3]], atol=1e-5) and len(some[1]) == 0
    assert torch.allclose(torch.cat(some[2:]), torch.stack(whole)[2:, -1], atol=1e-5)
    assert all(part.dtype == torch.float32 and not part.requires_grad for part in some)


@pytest.mark.parametrize("name", ["ppo-1", "ppo-1-authors"])
def test_half_precision_is_that_of_products_alone(name, random_model, fitted):
    groups, asked = [token_group(seed, size=4) for seed in range(12)], token_group(50)
    estimator = quick(name, random_model)
    half = replace(estimator, critic=replace(estimator.critic, dtype=torch.bfloat16)).fit(groups)
    assert all(weight.dtype == torch.float32 for weight in half.fitted.parameters())
    values, exact = (torch.stack(critic.values(asked, [range(LENGTH + 1)] * asked.size)) for critic in (half, fitted[name]))
    assert values.dtype == torch.float32
    assert 0 < float((values - exact).abs().mean()) < 0.3 * float(exact.std())


@pytest.mark.parametrize("name", NAMES)
def test_a_value_depends_on_the_past_only(name, fitted):
    group = token_group(50)
    before = fitted[name].values(group, [range(LENGTH + 1)] * group.size)
    flipped = replace(group, rewards_G=1 - group.rewards_G)
    assert torch.equal(torch.stack(fitted[name].values(flipped, [range(LENGTH + 1)] * group.size)), torch.stack(before))
    for cut, length in ((0, 12), (3, 12), (3, 5), (9, 30)):
        edited = [[*completion[:cut], *[17] * (length - cut)] for completion in group.token_ids]
        after = fitted[name].values(plain_group(group.prompt_token_ids, edited, group.rewards_G), [range(cut + 1)] * group.size)
        assert torch.allclose(torch.stack(after), torch.stack(before)[:, : cut + 1], atol=1e-5)
    assert float(torch.stack(before).std()) > 1e-4, "the tokens matter"


@pytest.mark.parametrize("lam", [1.0, 0.95])
def test_the_fair_critic_learns_what_a_token_is_worth(lam, random_model):
    estimator = replace(quick("ppo-1", random_model), lam=lam, critic=FairCritic(learning_rate=2e-4, epochs=4, batch_size=8))
    fitted = estimator.fit([token_group(seed) for seed in range(100)])
    asked = [token_group(seed) for seed in range(200, 220)]
    values = torch.cat([torch.stack(fitted.values(group, [[0, LENGTH]] * group.size)) for group in asked])
    odd = torch.tensor([completion[0] % 2 == 1 for group in asked for completion in group.token_ids])
    error = (values[:, 1] - torch.where(odd, 0.9, 0.1)).square().mean()
    assert error < 0.3 * 0.16, "0.16 is that of the mean"
    assert (values[:, 0] - 0.5).abs().mean() < 0.15, "before the first token nothing is known"


def test_where_there_is_nothing_to_learn_the_fair_critic_stays_at_the_mean(random_model):
    groups = [token_group(seed, good=0.3, bad=0.3) for seed in range(30)]
    fitted = quick("ppo-1", random_model).fit(groups)
    values = torch.cat([torch.cat(fitted.values(group, [range(LENGTH + 1)] * group.size)) for group in groups[:5]])
    assert values.std() < 0.05 and abs(float(values.mean()) - 0.3) < 0.1


def test_the_authors_critic_hardly_leaves_zero_in_few_updates(random_model):
    estimator = get_estimator("ppo-1-authors", critic=AuthorsCritic(batch_size=8)).for_model(str(random_model))
    fitted = estimator.fit([token_group(seed) for seed in range(8)])
    assert 0 < float(torch.cat(fitted.values(token_group(50), [[LENGTH]] * 8)).abs().max()) < 0.01


def test_the_actor_of_the_authors_critic_is_frozen(random_model, fitted):
    from hista_repro.models import load_model

    network = fitted["ppo-1-authors"].fitted
    before, _ = load_model(str(random_model))
    pairs = zip(before.get_decoder().parameters(), network.actor.parameters(), network.backbone.parameters(), strict=True)
    same, moved = zip(*[(torch.equal(old, actor), not torch.equal(old, critic)) for old, actor, critic in pairs], strict=True)
    assert all(same) and any(moved)


@pytest.mark.parametrize("name", ["ppo-1", "ppo-1-authors"])
def test_training_is_the_same_twice_and_follows_the_seed(name, random_model, fitted):
    groups, asked = [token_group(seed, size=4) for seed in range(12)], token_group(50)
    positions = [range(LENGTH + 1)] * asked.size

    def values(estimator):
        return torch.cat(estimator.values(asked, positions))

    with torch.random.fork_rng():
        torch.manual_seed(123)
        assert torch.equal(values(quick(name, random_model).fit(groups)), values(fitted[name]))
    assert not torch.equal(values(replace(quick(name, random_model), seed=1).fit(groups)), values(fitted[name]))


def test_what_is_held_out_is_like_what_is_asked():
    groups = [[Trajectory((1, 2), 0, float(k))] * 5 for k in range(10)]
    training, held_out = _split(groups, 0.2, True, torch.Generator().manual_seed(0))
    assert len(training) == 40 and len(held_out) == 10
    assert not {t.reward for t in training} & {t.reward for t in held_out}, "whole prompts"
    training, held_out = _split(groups, 0.2, False, torch.Generator().manual_seed(0))
    assert sorted(t.reward for t in held_out) == list(range(10)) and len(training) == 40, "one rollout of each"


def test_only_as_many_rollouts_are_learnt_from_as_asked(random_model):
    groups, asked = [token_group(seed, size=4) for seed in range(12)], token_group(50)
    altered = [replace(group, rewards_G=torch.cat([group.rewards_G[:2], 1 - group.rewards_G[2:]])) for group in groups]

    def values(trained_on, rollouts):
        fitted = replace(quick("ppo-1-authors", random_model), rollouts=rollouts).fit(trained_on)
        return torch.cat(fitted.values(asked, [range(LENGTH + 1)] * asked.size))

    assert torch.equal(values(groups, 2), values(altered, 2))
    assert not torch.equal(values(groups, None), values(altered, None))


def test_names_say_which_critic_and_which_regime():
    for name in NAMES:
        estimator = get_estimator(name)
        assert estimator.name == name and available_estimators()[name] is Information.PREFIX
        assert isinstance(estimator.critic, AuthorsCritic) == name.endswith("-authors")
        assert estimator.learns and estimator.sees_prompts == name.startswith("ppo-n")
        assert estimator.for_model("tiny").model == "tiny" and estimator.for_model("tiny").for_model("other").model == "tiny"


def test_bad_arguments(random_model):
    group = token_group(0)
    with pytest.raises(ValueError, match="model is empty"):
        get_estimator("ppo-1").fit([group, group])
    with pytest.raises(ValueError, match="ppo-n is not fitted"):
        get_estimator("ppo-n").values(group, [[0]] * group.size)
    with pytest.raises(ValueError, match="there are 1 prompts"):
        quick("ppo-1", random_model).fit([group])
    with pytest.raises(ValueError, match="rewards_G holds -1"):
        quick("ppo-1", random_model).fit([group, replace(group, rewards_G=-torch.ones(group.size))])
    with pytest.raises(ValueError, match="carries no token ids"):
        quick("ppo-1-authors", random_model).fit([replace(group, token_ids=None)])
    with pytest.raises(ValueError, match="lam must be between 0 and 1, not 2"):
        get_estimator("ppo-1", lam=2)
    with pytest.raises(ValueError, match="held_out must be between 0 and 1"):
        FairCritic(held_out=1.0)
    with pytest.raises(ValueError, match="rollouts must be at least 1"):
        get_estimator("ppo-1", rollouts=0)
    with pytest.raises(ValueError, match="epochs must be at least 1"):
        AuthorsCritic(epochs=0)
    with pytest.raises(ValueError, match="lam and gamma"):
        generalized_advantages(torch.zeros(1, 1), torch.zeros(1), torch.zeros(1), lam=-0.1)
