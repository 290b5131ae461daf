import pytest

from hista_repro.sveb import build
from hista_repro.sveb.overview import overview
from hista_repro.sveb.records import read_table
from small_build import KEEPS_EVERY_PROBLEM


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("overview") / "build"
    build(KEEPS_EVERY_PROBLEM, folder)
    return folder


def test_it_counts_what_the_tables_hold(built):
    found, rollouts, states = overview(built), read_table(built, "rollouts"), read_table(built, "states")
    texts = {(row.problem_id, row.sample): tuple(row.token_ids) for row in rollouts.itertuples()}
    shared = 0
    for state in states.itertuples():
        own = texts[state.problem_id, state.sample][: state.token_index]
        others = [ids for (name, sample), ids in texts.items() if name == state.problem_id and sample != state.sample]
        shared += any(ids[: state.token_index] == own for ids in others)
    assert (found.problems, found.states, found.same_text) == (6, len(states), shared / len(states))
    assert found.mean_tokens == pytest.approx(sum(map(len, texts.values())) / len(texts))
    assert (found.accuracy, found.truncated) == (pytest.approx(rollouts.reward.mean()), (rollouts.finish_reason == "length").mean())


def test_it_reads_as_a_sentence(built):
    assert str(overview(built)).startswith("6 problems and 12 states; rollouts have ")
    assert "% of states share their text with another rollout" in str(overview(built))
