"""POISE's prompt values by its definition, and our token values."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from synthetic_groups import every_position, make_group, random_group, random_tokens

from hista_repro.estimators import get_estimator
from hista_repro.estimators.loo_mean import means_of_others
from hista_repro.estimators.poise_features import fit_poise, mean_of_last, read_depth
from hista_repro.estimators.poise_prompt import reasoning_tokens
from hista_repro.rollouts.group import HiddenStates, RolloutGroup

TRAINING = [random_group(seed) for seed in range(30)]


def prompted_group(seed, size=12, length=14):
    """A group whose prompt's hidden states tell its difficulty, and whose completions are as uncertain as the prompt is difficult."""
    generator = torch.Generator().manual_seed(seed)
    value = torch.rand((), generator=generator)
    prompt_T_D = 0.1 * torch.randn(12, 5, generator=generator) + value * torch.tensor([3.0, 0, 0, 0, 0])
    hidden = HiddenStates(prompt_T_D, tuple(torch.randn(size, length, 5, generator=generator)))
    entropies = tuple(1.5 - value + 0.2 * torch.rand(size, length, generator=generator))
    rewards_G = torch.bernoulli(value.expand(size), generator=generator)
    group = RolloutGroup(f"p{seed}", ("x" * length,) * size, (range(1, length + 1),) * size, rewards_G)
    return replace(group, hidden_of=lambda layer: hidden, entropies_of=lambda: entropies), float(value)


@pytest.mark.parametrize("name", ["poise-prompt", "poise-token"])
def test_the_value_of_a_new_prompt_is_learnt_from_others(name):
    known = [prompted_group(seed) for seed in range(120)]
    fitted = get_estimator(name, **({"spacing": 4} if name == "poise-token" else {})).fit([group for group, _ in known[:100]])
    errors = [torch.cat(fitted.values(group, [[7]] * group.size)) - value for group, value in known[100:]]
    assert torch.stack(errors).square().mean() < 0.2 * np.var([value for _, value in known])


def test_prompt_values_are_means_of_what_the_other_rollouts_predict():
    fitted = get_estimator("poise-prompt").fit(TRAINING)
    group = random_group(50)
    values = fitted.values(group, every_position(group))
    assert all((part == part[0]).all() for part in values), "the same at every token"
    predicted_G = torch.from_numpy(np.clip(fitted.fitted.predict(fitted._features(group)), 0, 1))
    assert torch.allclose(torch.stack([part[0] for part in values]), means_of_others(predicted_G).float())
    unrewarded = replace(group, rewards_G=torch.zeros(group.size))
    assert torch.equal(torch.cat(fitted.values(unrewarded, every_position(group))), torch.cat(values)), "rewards are not looked at"


def test_the_features_of_a_rollout_by_hand():
    group = make_group([tuple(range(10)) * 2, (3,), ()], [1.0, 0.0, 1.0])
    hidden, entropies = group.hidden(-1), group.entropies()
    first, second, third = get_estimator("poise-prompt")._features(group)
    prompt_D = hidden.prompt_T_D.mean(dim=0).numpy()
    assert np.allclose(first[:6], prompt_D) and np.allclose(third[:12], np.tile(prompt_D, 2))
    assert np.allclose(first[6:12], hidden.completions[0][10:].mean(dim=0).numpy())
    assert np.allclose(second[6:12], hidden.completions[1][0].numpy())
    assert np.allclose(first[12:], float(entropies[0].mean())), "where no reasoning is marked, all three are the output's"
    assert np.isnan(third[12:]).all()


def test_entropies_of_reasoning_and_answer():
    text = "<think>ab</think>c"
    ends = (7, 8, 12, 17, 18)
    group = RolloutGroup("p", (text, "none", "a</think>"), (ends, (2, 4), (1, 9)), torch.zeros(3))
    assert [reasoning_tokens(group, i) for i in range(3)] == [4, 2, 2]
    hidden = HiddenStates(torch.ones(3, 2), (torch.ones(5, 2), torch.ones(2, 2), torch.ones(2, 2)))
    entropies = (torch.tensor([1.0, 2, 3, 4, 9]), torch.tensor([1.0, 2]), torch.tensor([2.0, 4]))
    group = replace(group, hidden_of=lambda layer: hidden, entropies_of=lambda: entropies)
    assert np.allclose(get_estimator("poise-prompt")._features(group)[:, -3:], [[3.8, 2.5, 9.0], [1.5, 1.5, 1.5], [3.0, 3.0, 3.0]])


def test_the_features_of_a_state_by_hand():
    group = make_group(random_tokens(0, size=1), [1.0])
    hidden, (entropies_T,) = group.hidden(-1), group.entropies()
    state_0, state_3, state_20 = get_estimator("poise-token").features(group, [[0, 3, 20]])[0]
    everything = torch.cat([hidden.prompt_T_D, hidden.completions[0]])
    for row, end in ((state_0, 4), (state_3, 7), (state_20, 24)):
        assert np.allclose(row[:6], hidden.prompt_T_D.mean(dim=0).numpy())
        assert np.allclose(row[6:12], everything[max(end - 10, 0) : end].mean(dim=0).numpy(), atol=1e-5)
    assert np.isnan(state_0[12:14]).all() and state_0[14] == 0
    assert np.allclose(state_20[12:], [float(entropies_T[:20].mean()), float(entropies_T[19]), np.log(21)], atol=1e-6)


def test_mean_of_last_rows():
    rows_T_D = torch.arange(24.0)[:, None]
    assert mean_of_last(rows_T_D, [1, 4, 10, 24])[:, 0].tolist() == [0.0, 1.5, 4.5, 18.5]
    assert mean_of_last(rows_T_D, []).shape == (0, 1)


def test_with_few_prompts_there_are_fewer_components_and_no_wild_values():
    generator = np.random.default_rng(0)
    prompts = np.repeat(generator.normal(size=(20, 50)), 10, axis=0)
    features = np.concatenate([prompts, generator.normal(size=(200, 50)), generator.normal(size=(200, 3))], axis=1)
    fitted = fit_poise(features.astype(np.float32), generator.integers(2, size=200), lambda reduced: 1e-6)
    blocks = fitted[0].named_transformers_
    assert blocks["prompt"].n_components_ == 5 and blocks["state"].n_components_ == 50
    assert np.abs(fitted.predict(generator.normal(size=(100, 103)))).max() < 5


def test_the_layer_is_as_deep_as_poises(random_model):
    assert read_depth(str(random_model)) == 1, "of two layers"
    for name in ("poise-prompt", "poise-token"):
        assert get_estimator(name).for_model(str(random_model)).layer == 1
        assert get_estimator(name, layer=-1).for_model(str(random_model)).layer == -1


@pytest.mark.parametrize("name", ["poise-prompt", "poise-token"])
def test_bad_arguments(name):
    group = TRAINING[0]
    with pytest.raises(ValueError, match=f"{name} is not fitted"):
        get_estimator(name).values(group, every_position(group))
    with pytest.raises(ValueError, match="groups holds 1 prompts"):
        get_estimator(name).fit(TRAINING[:1])
    with pytest.raises(ValueError, match="carries no entropies"):
        get_estimator(name).fit([replace(group, entropies_of=None)] * 2)
