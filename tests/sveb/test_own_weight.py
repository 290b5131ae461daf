from dataclasses import dataclass

import pandas as pd
import pytest
import torch

from hista_repro.errors import Refused
from hista_repro.estimators import Estimator, Information, available_estimators, get_estimator
from hista_repro.rollouts.group import HiddenStates, RolloutGroup
from hista_repro.sveb.own_weight import own_weight_table, own_weights

TEXTS = (" 1 + 2 so 3 is 4", " 1 + 2 so 3 is 5 or 6", " 7 then 8 and 9", " 1 + 2", " 7 then 0 . . .")
REWARDS = (1.0, 0.0, 1.0, 1.0, 0.0)
LINEAR = [name for name in available_estimators() if not get_estimator(name).learns and not get_estimator(name).draws]


def make_group(texts=TEXTS, rewards=REWARDS, draw=lambda i, t, k: torch.ones(k)):
    """One token per character, with a hidden state and a power that depend on what was read."""
    generator = torch.Generator().manual_seed(0)
    steps = torch.randn(128, 8, generator=generator)
    hidden = [10 * torch.stack([steps[ord(character)] for character in text]).cumsum(dim=0) for text in texts]
    ends = tuple(range(1, len(text) + 1) for text in texts)
    states = HiddenStates(steps[:2], tuple(hidden))
    asked = {"hidden_of": lambda layer: states, "score_powers_of": lambda: tuple(rows_T_D.norm(dim=1) for rows_T_D in hidden)}
    return RolloutGroup("p", tuple(texts), ends, torch.tensor(rewards), **asked, continue_from=draw)


def every_state(group):
    return [range(group.length(i) + 1) for i in range(group.size)]


def weights_of(name, group, positions=None):
    return own_weights(get_estimator(name).for_length(16), group, every_state(group) if positions is None else positions)


def test_the_group_mean_holds_every_reward_with_the_same_weight():
    assert all((weights == pytest.approx(1 / 5)) for weights in weights_of("group-mean", make_group()))


def test_the_own_return_is_the_own_reward():
    assert all((weights == 1).all() for weights in weights_of("own-return", make_group()))


def test_the_weight_of_the_ramp_is_the_share_that_was_read():
    group = make_group()
    for i, weights in enumerate(weights_of("ramp", group)):
        assert weights.numpy() == pytest.approx([t / group.length(i) for t in range(group.length(i) + 1)])


@pytest.mark.parametrize("name", [name for name in LINEAR if get_estimator(name).information is Information.SIBLINGS])
def test_nothing_of_the_own_reward_is_in_the_siblings_set(name):
    assert all((weights == 0).all() for weights in weights_of(name, make_group()))


def test_numca_by_hand():
    group = make_group()
    after_7_then_8, after_1_and_2 = TEXTS[2].index("8") + 2, len(TEXTS[3])
    weights = weights_of("numca", group, [[], [], [after_7_then_8], [after_1_and_2], []])
    assert weights[2].item() == 1, "no other rollout passes through 7, 8"
    assert weights[3].item() == pytest.approx(1 / 3), "three rollouts pass through 1, 2"


@pytest.mark.parametrize("name", [name for name in LINEAR if not get_estimator(name).information.unbiased])
def test_moving_the_own_reward_moves_the_values_by_its_weight(name):
    group, estimator = make_group(), get_estimator(name).for_length(16)
    before = estimator.values(group, every_state(group))
    for i, weights in enumerate(own_weights(estimator, group, every_state(group))):
        moved = make_group(rewards=[reward + 0.5 * (j == i) for j, reward in enumerate(REWARDS)])
        after = estimator.values(moved, every_state(group))[i]
        assert (after - before[i]).numpy() == pytest.approx(0.5 * weights.numpy(), abs=1e-5)


def test_only_rollouts_that_are_asked_about_cost_a_call():
    asked = []

    @dataclass(frozen=True)
    class Counting(type(get_estimator("ramp"))):
        def values(self, group, positions):
            asked.append([i for i, tokens in enumerate(positions) if len(tokens)])
            return super().values(group, positions)

    own_weights(Counting(), make_group(), [[], [3], [], [1, 2], []])
    assert asked == [[1], [3], [1], [1]]


def test_no_states_have_no_weights():
    assert [len(weights) for weights in weights_of("hista", make_group(), [[]] * 5)] == [0] * 5


class Chosen(Estimator):
    """A value that a test picks from the rewards."""

    name = "chosen"
    information = Information.OWN_RETURN

    def __init__(self, choose):
        self.choose = choose

    def values(self, group, positions):
        return [torch.full((len(tokens),), float(self.choose(group.rewards_G))) for tokens in positions]


@pytest.mark.parametrize("choose", [torch.median, torch.max, torch.std, lambda rewards_G: rewards_G.mean() + 0.1])
def test_values_that_are_not_linear_are_refused(choose):
    with pytest.raises(Refused, match="the values of chosen are not linear in the rewards"):
        own_weights(Chosen(choose), make_group(), [[2], [], [], [], []])


def test_fresh_continuations_and_what_learns_are_refused():
    with pytest.raises(Refused, match="mcs-1 are not linear"):
        weights_of("mcs-1", make_group())
    with pytest.raises(Refused, match="probe learns"):
        weights_of("probe", make_group())


class OneProblem:
    """What the table asks of a build."""

    typical_length = 16
    independent_pool = False

    def __init__(self):
        self.groups = {"p": make_group()}
        columns = {"sample": [3, 1, 3], "token_index": [6, 4, 3], "domain": "number", "problem_id": "p"}
        self.states = {"p": pd.DataFrame({"state_id": ["a", "b", "c"], "fraction": [1.0, 4 / len(TEXTS[1]), 0.5], **columns})}

    def __len__(self):
        return 1


def test_the_table_gives_each_state_its_own_weight():
    table = own_weight_table(OneProblem(), [get_estimator("ramp"), get_estimator("group-mean")])
    weights = table.pivot(index="state_id", columns="estimator", values="weight")
    assert weights["ramp"].to_dict() == pytest.approx({"a": 1.0, "b": 4 / len(TEXTS[1]), "c": 0.5})
    assert weights["group-mean"].to_dict() == pytest.approx({"a": 0.2, "b": 0.2, "c": 0.2})
    assert list(table.columns) == ["state_id", "problem_id", "domain", "fraction", "estimator", "weight"]
