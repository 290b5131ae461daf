from dataclasses import dataclass, replace
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from hista_repro.errors import Refused
from hista_repro.estimators import Estimator, Information, available_estimators, get_estimator
from hista_repro.rollouts.group import RolloutGroup
from hista_repro.sveb import build, evaluate, score
from small_build import KEEPS_EVERY_PROBLEM


class OneProblem:
    """What scoring asks of a build: four rollouts of six tokens, two states."""

    typical_length = 60
    independent_pool = False
    config = SimpleNamespace(model="tiny", seed=0)

    def __init__(self):
        texts = ("1 = 12", "1 = 13", "2 = 12", "1 = 1.")
        self.groups = {"p": RolloutGroup("p", texts, (range(1, 7),) * 4, torch.tensor([1.0, 0.0, 0.0, 1.0]))}
        columns = {"sample": [0, 2], "token_index": [3, 5], "domain": "number", "successes": [10, 4], "n": [20, 20]}
        self.states = {"p": pd.DataFrame({"state_id": ["a", "b"], **columns})}

    def __len__(self):
        return 1

    def asked(self, name):
        return [(self.groups[name], self.states[name])]


def test_labels_take_the_place_of_names():
    scores = evaluate(OneProblem(), {"every token": get_estimator("numca-released", spacing=1), "mean": get_estimator("group-mean")})
    assert scores["estimator"].tolist() == ["every token", "every token", "mean", "mean"]
    assert scores["reference"].tolist() == [0.5, 0.2] * 2
    named = evaluate(OneProblem(), [get_estimator("group-mean")])
    assert named.equals(scores[scores["estimator"] == "mean"].assign(estimator="group-mean").reset_index(drop=True))


def test_spacings_are_adapted_unless_they_are_to_be_used_as_they_are():
    seen = []
    estimator = get_estimator("hista-position")

    class Watched(type(estimator)):
        def values(self, group, positions):
            seen.append((self.interval, self.stride))
            return super().values(group, positions)

    evaluate(OneProblem(), [Watched(interval=2, stride=2)])
    evaluate(OneProblem(), [Watched(interval=2, stride=2)], adapt=False)
    assert seen == [(1, 3), (2, 2)]


def test_no_estimator_and_two_of_one_name_are_refused():
    with pytest.raises(Refused, match="no estimator is named"):
        evaluate(OneProblem(), [])
    with pytest.raises(Refused, match="share a name"):
        evaluate(OneProblem(), [get_estimator("ramp"), get_estimator("ramp")])


@dataclass(frozen=True)
class Says(Estimator):
    name = "oracle-of-tests"
    information = Information.PREFIX
    said: tuple

    def values(self, group, positions):
        return [torch.tensor(values) for values in self.said]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (((0.5,), (), (0.5,)), "oracle-of-tests, asked about 'p', gives values for 3 rollouts of 4"),
        (((0.5,), (), (), ()), "oracle-of-tests, asked about 'p', gives 0 values for the 1 positions of rollout 2"),
        (((0.5,), (), (float("nan"),), ()), "oracle-of-tests, asked about 'p', gives a value that is not finite for rollout 2"),
    ],
)
def test_what_is_no_value_for_each_state_is_refused_by_name(said, message):
    with pytest.raises(Refused, match=message):
        evaluate(OneProblem(), [Says(said)])
    assert evaluate(OneProblem(), [Says(((0.5,), (), (0.25,), ()))])["estimate"].tolist() == [0.5, 0.25]


def test_what_learns_from_other_prompts_needs_two_of_them(tmp_path):
    """A build of two problems: named it is refused, unnamed it stays out."""
    folder = tmp_path / "two"
    build(replace(KEEPS_EVERY_PROBLEM, limit=2, group_size=4, states=2, references=2, draws=1), folder)
    with pytest.raises(Refused, match="poise-prompt is fitted on two other prompts or more, and the build holds 2 in all"):
        score(folder, ["poise-prompt"])
    scored = set(score(folder)["estimator"])
    learn = {name for name in available_estimators() if (e := get_estimator(name)).learns and not e.sees_prompts}
    assert {"hista-loo", "loo-mean"} <= scored and learn and not learn & scored
