"""Leave-one-out selection, on groups whose true values are known: the first token of a rollout decides how likely it is rewarded."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from hista_repro.errors import Refused
from hista_repro.estimators import Estimator, Information, available_estimators, get_estimator
from hista_repro.rollouts.group import HiddenStates, RolloutGroup
from hista_repro.sveb.selection import brier, select

SIZE, LENGTH, SPACING = 24, 12, 4
LIKELY = (0.9, 0.2)
"""V of every state after the first token, by that token."""


def known_group(seed):
    """A group, and the true values (G,) of its rollouts' states."""
    generator = torch.Generator().manual_seed(seed)
    kinds_G = torch.randint(2, (SIZE,), generator=generator)
    values_G = torch.tensor(LIKELY)[kinds_G]
    rewards_G = torch.bernoulli(values_G, generator=generator)
    noise = torch.randn(SIZE, LENGTH, 3, generator=generator)
    completions = tuple(noise[i] + 5.0 * torch.nn.functional.one_hot(kind, 3) for i, kind in enumerate(kinds_G))
    ends = tuple(range(1, LENGTH + 1) for _ in range(SIZE))
    hidden = HiddenStates(torch.zeros(2, 3), completions)
    group = RolloutGroup(f"p{seed}", ("x" * LENGTH,) * SIZE, ends, rewards_G, hidden_of=lambda layer: hidden)
    return group, values_G


@pytest.fixture(scope="module")
def known():
    return [known_group(seed) for seed in range(40)]


@pytest.fixture(scope="module")
def groups(known):
    return [group for group, _ in known]


def neighbours(k):
    return get_estimator("last-token-knn-loo", spacing=SPACING, neighbours=k)


def squared_error(estimator, known):
    """Mean of (f - V)^2, the error that the choice is about and that takes true values to know."""
    errors = []
    for group, true_G in known:
        values = estimator.values(group, [range(1, LENGTH)] * SIZE)
        errors += [(values_n - true).square() for values_n, true in zip(values, true_G, strict=True)]
    return float(torch.cat(errors).double().mean())


@dataclass(frozen=True)
class Constant(Estimator):
    value: float

    name = "constant"
    information = Information.PREFIX

    def values(self, group, positions):
        return [torch.full((len(tokens),), self.value) for tokens in positions]


@dataclass(frozen=True)
class ByLength(Constant):
    """`value` while a short rollout may still go on; then it has not ended, and is wrong."""

    short: int

    def values(self, group, positions):
        return [torch.tensor([self.value if t < self.short else 0.0 for t in tokens]) for tokens in positions]


@dataclass(frozen=True)
class Noting(Constant):
    """Notes which tokens it is asked about."""

    asked: list[int]

    def values(self, group, positions):
        self.asked.extend(token for tokens in positions for token in tokens)
        return super().values(group, positions)


def test_by_hand():
    ends = (range(1, 5), range(1, 3))
    group = RolloutGroup("p", ("xxxx", "xx"), ends, torch.tensor([1.0, 0.0]))
    # Three states of the first rollout, one of the second; the prompt and what is finished are none.
    assert brier(Constant(0.25), [group], spacing=1) == pytest.approx((3 * 0.75**2 + 0.25**2) / 4)


def test_true_values_win_where_right_answers_are_short():
    """Half of the rollouts are right and short, and before any ends nothing tells which: the value is a half in each state that counts."""
    lengths, generator = [6, 40], np.random.default_rng(0)
    groups = []
    for number in range(60):
        right_G = generator.integers(0, 2, SIZE)
        ends = tuple(range(1, lengths[1 - right] + 1) for right in right_G)
        texts = tuple("x" * len(end) for end in ends)
        groups.append(RolloutGroup(f"p{number}", texts, ends, torch.tensor(right_G, dtype=torch.float32)))
    scores = {value: brier(ByLength(value, lengths[0]), groups, SPACING) for value in (0.3, 0.4, 0.5, 0.6, 0.7)}
    assert min(scores, key=scores.get) == 0.5


def test_the_best_setting_is_chosen(known, groups):
    """One node says little, and all nodes together say nothing about the state: of a few, several of the state's kind."""
    candidates = [neighbours(k) for k in (1, 24, 200)]
    best, table = select(candidates, groups, SPACING)
    assert best == min(candidates, key=lambda candidate: squared_error(candidate, known)) == candidates[1]
    assert table.brier.tolist() == [brier(candidate, groups, SPACING) for candidate in candidates]
    assert "neighbours=24" in table.settings[1] and table["diff"][1] == table.diff_low[1] == table.diff_high[1] == 0
    assert (table.diff_low[[0, 2]] > 0).all() and (table.brier_low < table.brier).all() and (table.brier < table.brier_high).all()


def test_scores_differ_from_true_errors_by_one_constant(known, groups):
    candidates = [neighbours(k) for k in (1, 3, 12, 60, 200)] + [get_estimator("loo-mean"), Constant(0.4)]
    gaps = [brier(candidate, groups, SPACING) - squared_error(candidate, known) for candidate in candidates]
    noise = float(torch.cat([true_G * (1 - true_G) for _, true_G in known]).mean())
    assert gaps == pytest.approx([noise] * len(gaps), abs=0.015)


def test_the_own_return_set_is_refused(groups):
    for name, information in available_estimators().items():
        if information is Information.OWN_RETURN:
            with pytest.raises(Refused, match=f"{name} knows the rollout's own reward"):
                brier(get_estimator(name), groups, SPACING)
    assert squared_error(get_estimator("own-return"), [known_group(0)]) > 0.05, "whose Brier score of 0 would have won"


def test_the_result_does_not_depend_on_the_order_of_candidates_or_on_chance(groups):
    candidates = [neighbours(k) for k in (3, 12)]
    best, table = select(candidates, groups[:10], SPACING, repeats=200)
    again, reversed_table = select(candidates[::-1], groups[:10], SPACING, repeats=200)
    assert best == again
    np.testing.assert_array_equal(table.drop(columns="settings")[::-1], reversed_table.drop(columns="settings"))


def test_bad_requests(groups):
    with pytest.raises(Refused, match="no candidate"):
        select([], groups, SPACING)
    with pytest.raises(ValueError, match="groups is empty"):
        brier(Constant(0.5), [], SPACING)
    with pytest.raises(ValueError, match="spacing must be at least 1, not 0"):
        brier(Constant(0.5), groups, 0)
    with pytest.raises(ValueError, match=r"spacing must be an integer, not 2\.5"):
        brier(Constant(0.5), groups, 2.5)
    with pytest.raises(ValueError, match="probe is not fitted"):
        brier(replace(get_estimator("probe"), spacing=SPACING), groups, SPACING)


def test_without_a_state_nothing_is_chosen():
    ended_at_once = RolloutGroup("p", ("x", "x"), (range(1, 2),) * 2, torch.tensor([1.0, 0.0]))
    for choose in (lambda: brier(Constant(0.5), [ended_at_once], 50), lambda: select([Constant(0.5)], [ended_at_once], 50)):
        with pytest.raises(Refused, match="no rollout has a state at spacing=50; choose a smaller spacing"):
            choose()


def test_states_lie_on_no_grid(groups):
    asked: list[int] = []
    brier(Noting(0.5, asked), groups, SPACING)
    share = np.bincount(asked, minlength=LENGTH)[1:] / (SIZE * len(groups))
    assert share == pytest.approx(np.full(LENGTH - 1, 1 / SPACING), abs=0.06)
