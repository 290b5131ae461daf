from dataclasses import replace

import pandas as pd
import pytest

from hista_repro.artifacts import step_costs as module
from hista_repro.artifacts.step_costs import (
    CREDIT,
    FORWARD,
    MEMORY,
    NO_GPU,
    TIME,
    WITH,
    ModelCosts,
    credit_overhead,
    judge_credit_overheads,
    judge_overheads,
    measure_costs,
    overhead,
    overhead_text,
    printed_overheads,
    readable_costs,
    share,
    shown_overheads,
    shown_times,
    step_costs,
)
from hista_repro.artifacts.training_arms import Arm
from hista_repro.artifacts.verdicts import Word
from hista_repro.errors import Refused

CONFIG = {"model": "tiny", "problems": "arithmetic-steps", "steps": 6, "prompts": 4, "group_size": 8, "validation_problems": 16}


def arm(name, seconds, credit=None):
    """Two seeds of six updates, of which the first two are slow; the second seed takes twice as long."""
    rows = []
    for seed in (0, 1):
        for step in range(7):
            row = {"seed": seed, "step": step}
            if step:
                row |= {TIME: 100.0 if step < 3 else seconds * (seed + 1), MEMORY: 1.0}
                row |= {CREDIT: credit * (seed + 1), FORWARD: credit * (seed + 1) / 2} if credit else {}
            rows.append(row)
    return Arm(name, CONFIG, pd.DataFrame(rows))


@pytest.fixture
def arms():
    return [arm("DAPO", 2.0), arm(WITH, 2.1, credit=0.21)]


@pytest.fixture
def costs(arms):
    return ModelCosts(arms, step_costs(arms))


@pytest.fixture
def costs_on_gpus(arms):
    return ModelCosts([replace(arm, gpus=["H200"]) for arm in arms], step_costs(arms))


def test_the_first_updates_do_not_count(costs):
    table = costs.table.set_index(["arm", "seed"])
    assert table[TIME].tolist() == pytest.approx([2.0, 4.0, 2.1, 4.2])
    assert table.loc[("DAPO", 0), CREDIT] == 0


def test_overheads_are_paired_by_seed(costs):
    more = overhead(costs, WITH, TIME)
    assert (more.estimate, more.low, more.high) == pytest.approx((0.05, 0.05, 0.05))
    assert share(costs, WITH, CREDIT).estimate == pytest.approx(0.1)
    assert share(costs, WITH, FORWARD).estimate == pytest.approx(0.05)


def test_what_credit_adds_is_held_against_the_rest_of_the_update(costs):
    added = credit_overhead(costs, WITH)
    assert (added.estimate, added.low, added.high) == pytest.approx((1 / 9,) * 3)
    assert credit_overhead(costs, "DAPO").estimate == 0


@pytest.mark.parametrize(("most", "word"), [(0.06, Word.AGREES), (0.04, Word.DISAGREES)])
def test_an_overhead_is_held_against_the_largest_printed(costs_on_gpus, most, word):
    [finding] = judge_overheads([costs_on_gpus], TIME, most)
    assert (finding.word, finding.setting) == (word, "tiny on arithmetic-steps")
    assert finding.claim == f"DAPO + Hista costs at most {most:.1%} more than DAPO"


@pytest.mark.parametrize(("most", "word"), [(0.12, Word.AGREES), (0.1, Word.DISAGREES)])
def test_the_seconds_of_credit_are_held_against_it_too(costs_on_gpus, most, word):
    [finding] = judge_credit_overheads([costs_on_gpus], most)
    assert (finding.word, finding.ours) == (word, "+11.1% [+11.1%, +11.1%]")


def test_what_a_cpu_takes_is_shown_and_not_compared(costs):
    findings = [*judge_overheads([costs], TIME, 0.06), *judge_credit_overheads([costs], 0.06)]
    assert {finding.word for finding in findings} == {Word.NOT_COMPARABLE}
    assert [finding.ours for finding in findings] == ["+5.0% [+5.0%, +5.0%], on a CPU", "+11.1% [+11.1%, +11.1%], on a CPU"]


def test_main_memory_has_no_overhead(costs, costs_on_gpus):
    [finding] = judge_overheads([costs], MEMORY, 0.06)
    assert (finding.word, finding.ours) == (Word.NOT_COMPARABLE, NO_GPU)
    assert readable_costs(costs, MEMORY).frame["overhead"].tolist() == ["–", NO_GPU]
    assert shown_overheads([costs], MEMORY) == {}
    [finding] = judge_overheads([costs_on_gpus], MEMORY, 0.06)
    assert finding.word is Word.AGREES
    assert overhead_text(costs_on_gpus, WITH, MEMORY) == "+0.0% [+0.0%, +0.0%]"


def test_models_are_told_apart_where_there_are_several(costs):
    assert list(shown_overheads([costs], TIME)) == [WITH]
    larger = ModelCosts([replace(arm, config={**CONFIG, "model": "models/larger"}) for arm in costs.arms], costs.table)
    assert list(shown_overheads([costs, larger], TIME)) == [
        "DAPO + Hista: tiny on arithmetic-steps",
        "DAPO + Hista: larger on arithmetic-steps",
    ]
    assert [finding.setting for finding in judge_overheads([costs, larger], TIME, 0.06)] == [costs.name, larger.name]
    assert shown_times([costs, larger]) == {
        "overhead": "+5.0% [+5.0%, +5.0%]",
        "seconds": "3.0 (tiny on arithmetic-steps), 3.0 (larger on arithmetic-steps)",
        "credit": "+11.1% [+11.1%, +11.1%] (tiny on arithmetic-steps), +11.1% [+11.1%, +11.1%] (larger on arithmetic-steps)",
    }


def test_a_further_model_differs_in_what_it_says(monkeypatch, arms):
    asked = []
    monkeypatch.setattr(module, "train_arms", lambda **one: asked.append(one) or arms)
    measured = measure_costs("tiny.yaml", {"DAPO": "none"}, [0, 1], {"steps": 9}, [{"config": "other.yaml", "seeds": [2, 3]}])
    own = {"config": "tiny.yaml", "arms": {"DAPO": "none"}, "seeds": [0, 1], "settings": {"steps": 9}}
    assert asked == [own, own | {"config": "other.yaml", "seeds": [2, 3]}]
    assert [costs.table.equals(step_costs(arms)) for costs in measured] == [True, True]
    with pytest.raises(Refused, match="further names 'seed', which no arms have; did you mean 'seeds'"):
        measure_costs("tiny.yaml", {"DAPO": "none"}, [0, 1], {}, [{"seed": [2, 3]}])
    assert len(asked) == 2, "refused before anything is trained"


def test_printed_overheads():
    assert printed_overheads(14) == pytest.approx(
        {"Qwen2.5-14B": 21.07 / 20.54 - 1, "Qwen3-4B": 62.82 / 62.18 - 1, "Qwen3-1.7B": 25.01 / 24.81 - 1}
    )
    assert printed_overheads(15)["Qwen3-4B"] == pytest.approx(486 / 582 - 1)
