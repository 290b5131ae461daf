"""Estimators on transformed hidden states: what a transformation does, and that it knows nothing of the prompt asked about."""

from dataclasses import replace

import pytest
import torch
from synthetic_groups import every_position, random_group

from hista_repro.estimators import Information, get_estimator
from hista_repro.estimators.transformed import Transformation, Transformed
from hista_repro.rollouts.group import HiddenStates

GROUPS = [random_group(seed) for seed in range(100, 112)]
KINDS = ("centred", "standardised", "whitened")


def sample(count, seed=0):
    """(count, 4) states around a large mean, one direction of which varies far more than the others."""
    generator = torch.Generator().manual_seed(seed)
    turned = torch.linalg.qr(torch.randn(4, 4, generator=generator))[0]
    return 100 + torch.randn(count, 4, generator=generator) * torch.tensor([30.0, 3.0, 3.0, 1.0]) @ turned


def applied(kind, states, *, fitted_on=None):
    parts = (states if fitted_on is None else fitted_on).split(50)
    return Transformation.fit(kind, parts)(HiddenStates(states, (states,))).completions[0]


def test_what_each_kind_leaves():
    states = sample(4000)
    assert torch.allclose(applied("centred", states), states - states.mean(dim=0), atol=1e-3)
    standardised = applied("standardised", states)
    assert torch.allclose(standardised.std(dim=0), torch.ones(4), atol=1e-3)
    assert torch.allclose(applied("whitened", states).T.cov(), torch.eye(4), atol=0.02)
    assert not torch.allclose(standardised.T.cov(), torch.eye(4), atol=0.1)


def test_one_huge_direction_hides_no_other():
    states = torch.randn(500, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([1e3, 1.0, 1.0, 1.0])
    for kind in ("standardised", "whitened"):
        assert torch.allclose(applied(kind, states).std(dim=0), torch.ones(4), atol=0.02)


def test_a_direction_without_variance_is_not_blown_up():
    states = sample(100)
    states[:, 0] = 5.0
    for kind in KINDS:
        assert applied(kind, states).abs().max() < 1e3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [3, 10, 16, 25, 40])
def test_other_states_are_not_blown_up_where_few_were_fitted(kind, count):
    states = torch.randn(200, 40, generator=torch.Generator().manual_seed(0)) + 3
    assert applied(kind, states, fitted_on=states[:count]).abs().max() < 1e3


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["hista-loo", "hista-cosine-loo", "last-token-knn-loo", "rollout-kernel-loo", "hista"])
def test_values_are_those_of_the_estimator_within_on_what_is_transformed(name, kind):
    inner, asked = get_estimator(name).for_length(35), random_group(0)
    estimator = Transformed(inner, kind).fit(GROUPS)
    by_hand = estimator.fitted(asked.hidden(-1))
    expected = inner.values(replace(asked, hidden_of=lambda layer: by_hand), every_position(asked))
    assert torch.equal(torch.cat(estimator.values(asked, every_position(asked))), torch.cat(expected))
    assert estimator.information is inner.information and estimator.name == f"{name}, {kind}"


def test_distances_do_not_see_where_the_centre_is_and_angles_do():
    asked = random_group(0)
    for name, sees in (("hista-loo", False), ("hista-cosine-loo", True)):
        inner = get_estimator(name).for_length(35)
        plain = torch.cat(inner.values(asked, every_position(asked)))
        centred = torch.cat(Transformed(inner, "centred").fit(GROUPS).values(asked, every_position(asked)))
        assert torch.allclose(centred, plain, atol=1e-5) != sees


def test_it_adapts_as_the_estimator_within_does():
    estimator = Transformed(get_estimator("hista-loo"), "whitened")
    assert estimator.for_length(35).inner == get_estimator("hista-loo").for_length(35)
    assert estimator.for_model("tiny").inner == get_estimator("hista-loo")
    assert estimator.learns and not estimator.fit(GROUPS).learns
    assert estimator.reads_hidden and estimator.information is Information.SIBLINGS


def test_bad_arguments():
    group = random_group(0)
    with pytest.raises(ValueError, match="kind must be one of centred, standardised, whitened, not 'pca'"):
        Transformed(get_estimator("hista-loo"), "pca")
    for name in ("loo-mean", "probe-loo"):
        with pytest.raises(ValueError, match=f"inner must read the hidden states of one layer and learn nothing, which {name} does not"):
            Transformed(get_estimator(name), "whitened")
    with pytest.raises(ValueError, match="hista-loo, whitened is not fitted"):
        Transformed(get_estimator("hista-loo"), "whitened").values(group, every_position(group))
    with pytest.raises(ValueError, match="hold 1 completion tokens"):
        Transformation.fit("whitened", [torch.zeros(1, 4)])
