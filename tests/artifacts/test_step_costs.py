from dataclasses import replace

import pandas as pd
import pytest

from hista_repro.artifacts.step_costs import (
    CREDIT,
    FORWARD,
    MEMORY,
    NO_GPU,
    TIME,
    judge_overhead,
    overhead,
    overhead_text,
    printed_overheads,
    readable_costs,
    share,
    step_costs,
)
from hista_repro.artifacts.training_arms import Arm
from hista_repro.artifacts.verdicts import Word

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
    return [arm("DAPO", 2.0), arm("DAPO + Hista", 2.1, credit=0.21)]


def test_the_first_updates_do_not_count(arms):
    costs = step_costs(arms).set_index(["arm", "seed"])
    assert costs[TIME].tolist() == pytest.approx([2.0, 4.0, 2.1, 4.2])
    assert costs.loc[("DAPO", 0), CREDIT] == 0


def test_overheads_are_paired_by_seed(arms):
    costs = step_costs(arms)
    more = overhead(costs, "DAPO + Hista", "DAPO", TIME)
    assert (more.estimate, more.low, more.high) == pytest.approx((0.05, 0.05, 0.05))
    assert share(costs, "DAPO + Hista", CREDIT).estimate == pytest.approx(0.1)
    assert share(costs, "DAPO + Hista", FORWARD).estimate == pytest.approx(0.05)


@pytest.mark.parametrize(("most", "word"), [(0.06, Word.AGREES), (0.04, Word.DISAGREES)])
def test_an_overhead_is_held_against_the_largest_printed(arms, most, word):
    assert judge_overhead(step_costs(arms), arms[1], "DAPO", TIME, most).word is word


def test_main_memory_is_not_held_against_that_of_gpus(arms):
    finding = judge_overhead(step_costs(arms), arms[1], "DAPO", MEMORY, 0.06)
    assert (finding.word, finding.ours) == (Word.NOT_COMPARABLE, NO_GPU)
    assert readable_costs(arms, step_costs(arms), MEMORY, "DAPO").frame["overhead"].tolist() == ["–", NO_GPU]
    on_gpus = [replace(arm, gpus=["H200"]) for arm in arms]
    assert judge_overhead(step_costs(on_gpus), on_gpus[1], "DAPO", MEMORY, 0.06).word is Word.AGREES
    assert overhead_text(on_gpus, step_costs(on_gpus), "DAPO + Hista", "DAPO", MEMORY) == "+0.0% [+0.0%, +0.0%]"


def test_printed_overheads():
    assert printed_overheads(14) == pytest.approx(
        {"Qwen2.5-14B": 21.07 / 20.54 - 1, "Qwen3-4B": 62.82 / 62.18 - 1, "Qwen3-1.7B": 25.01 / 24.81 - 1}
    )
    assert printed_overheads(15)["Qwen3-4B"] == pytest.approx(486 / 582 - 1)
