import numpy as np
import pytest

from hista_repro.artifacts.critic_data import check_sizes, critics_by_data, growth_table, judge_growth, label, readable_growth
from hista_repro.artifacts.critic_data_figure import plot_growth
from hista_repro.artifacts.verdicts import Word
from hista_repro.errors import Refused

PROMPTS, STATES, N = 120, 5, 20
SIZES = [2, 10]


@pytest.fixture
def grown(measured):
    """The fair critic knows the prompt from few rollouts and the state from many; the authors' one never more than the prompt."""
    rng = np.random.default_rng(0)
    prompt, state = rng.uniform(0.25, 0.75, PROMPTS).repeat(STATES), rng.uniform(-0.25, 0.25, PROMPTS * STATES)
    fair, authors = {2: prompt, 10: prompt + state}, {2: np.full(PROMPTS * STATES, 0.5), 10: prompt}
    estimates = {label(row, "", size): fair[size] for row in ("ppo-1", "ppo-n") for size in SIZES}
    estimates |= {label(row, "-authors", size): authors[size] for row in ("ppo-1", "ppo-n") for size in SIZES}
    return measured({"loo-mean": prompt, **estimates}, rng.binomial(N, prompt + state) / N, states=STATES)


def test_what_critics_explain_by_what_they_learnt_from(grown):
    table = growth_table(grown, SIZES).set_index(["row", "kind", "rollouts"])
    assert len(table) == 8
    assert table.loc[("ppo-1", "", 2), "within"] == pytest.approx(0, abs=0.05)
    assert table.loc[("ppo-1", "", 10), "within"] == pytest.approx(1, abs=0.1)
    assert table.loc[("ppo-n", "-authors", 2), "between"] == pytest.approx(0, abs=0.1)
    assert table.loc[("ppo-n", "-authors", 10), "between"] > 0.7


def test_the_most_data_decides(grown):
    table = growth_table(grown, SIZES)
    assert judge_growth(grown, table, "ppo-1", "").word is Word.DISAGREES
    assert judge_growth(grown, table, "ppo-n", "-authors").word is Word.AGREES
    few = table[table["rollouts"] == 2]
    assert judge_growth(grown, few, "ppo-n", "-authors").word is Word.UNDECIDED, "it has learnt nothing at all"
    assert "(10 rollouts of each)" in judge_growth(grown, table, "ppo-1", "").ours
    for share in ("within", "between"):
        unknown = table.assign(**{f"{share}{end}": np.nan for end in ("", "_low", "_high")})
        finding = judge_growth(grown, unknown, "ppo-1", "")
        assert finding.word is Word.NOT_COMPARABLE and f"no variance {share} prompts" in finding.ours


def test_a_page_shows_every_size(grown):
    table = growth_table(grown, SIZES)
    shown = readable_growth(grown, table).frame
    assert list(shown["rollouts of each"]) == SIZES * 4
    figure = plot_growth({"tiny": table})
    assert len(figure.axes) == 4 and figure.axes[0].get_ylim()[1] > 0.9


def test_critics_differ_in_their_data_alone():
    critics = critics_by_data(SIZES, epochs=2, authors_rate=0.5)
    assert [critics[label("ppo-n", "-authors", size)].rollouts for size in SIZES] == SIZES
    assert {critic.lam for critic in critics.values()} == {1.0}


@pytest.mark.parametrize("sizes", [[], [1, 2], [4, 2], [2, 2]])
def test_sizes_rise(grown, sizes):
    with pytest.raises(Refused, match="rollouts: numbers from 2 upwards"):
        check_sizes(grown, sizes)


def test_more_than_the_build_holds_is_refused(grown):
    with pytest.raises(Refused, match="holds 16 rollouts of each problem for either critic, and 21 are asked for"):
        check_sizes(grown, [2, 21])
