import json

import pandas as pd
import pytest

from hista_repro.artifacts import problem_sources
from hista_repro.artifacts.problem_sources import (
    FATES,
    PAPER_ROWS,
    count_problems,
    judge_counts,
    known_sources,
    plot_counts,
    readable_counts,
)
from hista_repro.artifacts.verdicts import Word
from hista_repro.errors import Refused
from hista_repro.paper import paper_table
from hista_repro.problems.sources import BUILT_IN, HUB_SOURCES


@pytest.fixture
def build(tmp_path, monkeypatch):
    """A recorded build of 10 candidates, of which 6 are kept."""
    counts = {"problems": 10, "kept": 6, "dropped_too_hard": 2, "dropped_too_easy": 1, "dropped_few_numbers": 1}
    config = {"model": "org/name", "problems": "open-r1/OpenR1-Math-220k", "screen": 20, "min_accuracy": 0.1, "max_accuracy": 0.8}
    manifest = {"status": "done", "config": config, "counts": counts, "accuracy": 0.375}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    pd.DataFrame({"domain": ["math"] * 10}).to_parquet(tmp_path / "problems.parquet")
    monkeypatch.setattr(problem_sources, "record", lambda settings: tmp_path)
    return config


def test_every_source_is_listed_and_every_row_of_the_table_has_one():
    frame = known_sources().frame
    assert set(frame["source"]) == {*HUB_SOURCES, *BUILT_IN}
    assert set(paper_table(16)["row"]) == set(PAPER_ROWS) == set(frame["row of Table 16"]) - {"–"}


def test_each_candidate_has_one_fate(build):
    table = count_problems([build])
    assert table.loc[0, ["model", "domain", "problems", "accuracy"]].tolist() == ["name", "math", 10, 0.375]
    assert table[list(FATES)].sum(axis=1).tolist() == [10]
    assert readable_counts(table).caption == "Candidates are kept if their accuracy is 0.1 to 0.8 over 20 rollouts."
    bars = [bar.get_width() for bar in plot_counts(table).axes[0].patches]
    assert bars == pytest.approx([0.6, 0.2, 0.1, 0.1])


def test_counts_stand_beside_the_paper_s_and_are_not_compared(build):
    findings = judge_counts(count_problems([build]))
    assert len(findings) == len(paper_table(16))
    shown = [finding for finding in findings if finding.word is not Word.NOT_RUN]
    assert {(finding.ours, finding.word) for finding in shown} == {("6 of 10 kept with name", Word.NOT_COMPARABLE)}
    assert all(finding.claim.startswith("OpenR1-220K") for finding in shown) and len(shown) == 2


def test_no_builds_are_refused():
    with pytest.raises(Refused, match="builds is empty"):
        count_problems([])
