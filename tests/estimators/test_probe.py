"""The probes find what is there, know nothing where there is nothing, and are fitted as they say."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from synthetic_groups import every_position, make_group, random_group

from hista_repro.estimators import get_estimator
from hista_repro.estimators.probe_features import (
    STRENGTHS,
    Examples,
    fit_ridge,
    held_out_penalty,
    spaced_positions,
    state_features,
)
from hista_repro.rollouts.group import HiddenStates, RolloutGroup

LENGTH = 10


def telling_group(seed, size=16):
    """A group whose prompt adds to all rewards, and whose rollouts are rewarded by what their hidden states show from token 5 on."""
    generator = torch.Generator().manual_seed(seed)
    difficulty = torch.rand((), generator=generator) - 0.5
    kinds_G = torch.randint(2, (size,), generator=generator) * 2.0 - 1
    values_G = 0.5 + 0.5 * difficulty + 0.2 * kinds_G
    noise = 0.1 * torch.randn(size, LENGTH, 4, generator=generator)
    noise[:, :, 0] += difficulty
    noise[:, 4:, 1] += kinds_G[:, None]
    start = torch.zeros(2, 4)
    start[:, 0] = difficulty
    hidden = HiddenStates(start, tuple(noise))
    ends = tuple(range(1, LENGTH + 1) for _ in range(size))
    rewards_G = torch.bernoulli(values_G, generator=generator)
    return RolloutGroup(f"p{seed}", ("x" * LENGTH,) * size, ends, rewards_G, hidden_of=lambda layer: hidden), values_G


GROUPS = [telling_group(seed) for seed in range(80)]


@pytest.fixture(scope="module", params=["probe", "probe-loo"])
def fitted(request):
    return get_estimator(request.param, spacing=3).fit([group for group, _ in GROUPS[:60]])


def squared_error(estimator, t):
    """To the true values of state t of prompts that the estimator has not seen."""
    errors = [torch.stack(estimator.values(group, [[t]] * group.size))[:, 0] - values_G for group, values_G in GROUPS[60:]]
    return float(torch.cat(errors).square().mean())


def test_the_probes_beat_the_mean_once_the_state_tells(fitted):
    assert squared_error(fitted, 8) < 0.4 * squared_error(get_estimator("loo-mean"), 8)
    assert squared_error(fitted, 8) < 0.4 * squared_error(fitted, 2)


def test_the_prompt_shows_in_the_state_and_in_the_siblings_rewards():
    """Before a token is written the probe reads the prompt, and the leave-one-out probe has the mean of the others."""
    group, _ = GROUPS[60]
    training = [other for other, _ in GROUPS[:60]]
    start = [[0]] * group.size
    by_siblings = torch.stack(get_estimator("probe-loo", spacing=3).fit(training).values(group, start))
    by_prompt = torch.stack(get_estimator("probe", spacing=3).fit(training).values(group, start))
    means = torch.stack(get_estimator("loo-mean").values(group, start))
    assert torch.allclose(by_siblings, means, atol=0.1)
    assert by_prompt.std() < 1e-6, "all rollouts are in the same state"


def test_values_stay_between_0_and_1_and_do_not_change_the_unfitted_estimator():
    probe = get_estimator("probe", spacing=3)
    fitted = probe.fit([random_group(seed) for seed in range(8)])
    values = torch.cat(fitted.values(random_group(9), every_position(random_group(9))))
    assert ((values >= 0) & (values <= 1)).all()
    assert probe.fitted is None


def test_features_by_hand():
    group = make_group([(1, 2, 3), ()], [1.0, 0.0])
    hidden = group.hidden(-1)
    first, second = state_features(group, [[2, 0], [0]], -1)
    assert torch.equal(torch.from_numpy(first[:, :-1]), torch.stack([hidden.completions[0][1], hidden.prompt_T_D[-1]]))
    assert first[:, -1] == pytest.approx([np.log(3), 0])
    assert np.array_equal(second[:, :-1], hidden.prompt_T_D[-1:].numpy())
    assert spaced_positions(group, 2) == [range(0, 3, 2), range(0, 1, 2)]


def test_the_penalty_is_chosen_across_prompts():
    """Features that name the prompt predict the rewards of its other rows, and those of other prompts not at all."""
    generator = np.random.default_rng(0)
    of_prompts = generator.normal(size=(12, 30))
    parts = [(of_prompt + 0.01 * generator.normal(size=(20, 30)), np.full(20, generator.normal())) for of_prompt in of_prompts]
    pipeline = fit_ridge(Examples.gather(parts), components=30)
    assert pipeline[-1].alpha >= max(STRENGTHS[-2:]) * 240 / 10
    assert np.ptp(pipeline.predict(of_prompts)) < 0.5 * np.ptp([targets[0] for _, targets in parts])


@pytest.mark.parametrize("noise", [0.01, 1.0, 10.0, 100.0])
@pytest.mark.parametrize("prompts", [2, 3, 7])
def test_the_penalty_is_that_of_refitting_for_every_fold(prompts, noise):
    from sklearn.linear_model import RidgeCV
    from sklearn.model_selection import GroupKFold

    generator = np.random.default_rng(prompts)
    weights_F, parts = generator.normal(size=12), []
    for _ in range(prompts):
        features = 3 + generator.normal(size=(generator.integers(5, 15), 12)).astype(np.float32)
        parts.append((features, features @ weights_F + noise * generator.normal(size=len(features))))
    examples = Examples.gather(parts)
    folds = GroupKFold(min(3, prompts)).split(examples.features, groups=examples.prompts)
    penalties = np.array(STRENGTHS) * len(examples.targets)
    refitted = RidgeCV(penalties, cv=list(folds), scoring="neg_mean_squared_error")
    refitted.fit(examples.features.astype(float), examples.targets)
    assert held_out_penalty(examples) == pytest.approx(refitted.alpha_)


def test_few_rows_of_many_features_do_not_throw_new_ones_far_out():
    generator = np.random.default_rng(0)
    parts = [(generator.normal(size=(2, 100)), generator.integers(2, size=2).astype(float)) for _ in range(4)]
    predicted = fit_ridge(Examples.gather(parts), components=256).predict(generator.normal(size=(50, 100)))
    assert np.abs(predicted).max() < 3


def test_the_siblings_mean_state_is_that_of_all_their_spaced_states():
    group = make_group([(1, 2, 3, 4), (5, 6), (7,)], [1.0, 0.0, 1.0])
    of_0, of_1, of_2 = state_features(group, [range(0, 4, 2), [0], [0]], -1)
    differences = get_estimator("probe-loo", spacing=2).features(group, [[2], [], [0]])
    assert np.allclose(differences[0], of_0[1] - (of_1[0] + of_2[0]) / 2)
    assert np.allclose(differences[2], of_2[0] - (of_0.sum(axis=0) + of_1[0]) / 3)


def test_bad_arguments():
    groups = [random_group(0), random_group(1)]
    with pytest.raises(ValueError, match="probe is not fitted"):
        get_estimator("probe").values(groups[0], every_position(groups[0]))
    with pytest.raises(ValueError, match="groups holds 1 prompts"):
        get_estimator("probe").fit(groups[:1])
    with pytest.raises(ValueError, match="carries no hidden states"):
        get_estimator("probe").fit([replace(group, hidden_of=None) for group in groups])
    with pytest.raises(ValueError, match="holds 1 reward"):
        get_estimator("probe-loo").fit([make_group([(1, 2)], [1.0])] * 2)
    for settings in ({"spacing": 0}, {"components": 0}):
        with pytest.raises(ValueError, match=f"{next(iter(settings))} must be at least 1, not 0"):
            get_estimator("probe", **settings)
    with pytest.raises(ValueError, match="outside 0"):
        get_estimator("probe", spacing=3).fit(groups).values(groups[0], [[100]] + [[]] * 5)
