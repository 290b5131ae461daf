from hypothesis import given
from hypothesis import strategies as st

from hista_repro.sveb.states import cut_states


@given(lengths=st.lists(st.integers(0, 12), min_size=1, max_size=8), count=st.integers(1, 30), seed=st.integers(0, 5))
def test_states_lie_inside_rollouts_and_differ(lengths, count, seed):
    states = cut_states("p", lengths, count, seed)
    assert len(set(states)) == len(states) == min(count, sum(max(0, length - 1) for length in lengths))
    assert all(1 <= t < lengths[i] for i, t in states)


def test_rollouts_are_used_evenly_before_any_is_used_twice():
    assert len({i for i, _ in cut_states("p", [10] * 6, 6, seed=0)}) == 6


def test_cuts_are_uniform_over_tokens_and_depend_on_problem_and_seed():
    cuts = [t for k in range(4000) for _, t in cut_states(f"p{k}", [11], 1, seed=0)]
    counts = [cuts.count(t) for t in range(1, 11)]
    assert max(abs(count - 400) for count in counts) < 5 * 400**0.5
    assert cut_states("p", [99], 3, seed=0) != cut_states("p", [99], 3, seed=1)
    assert cut_states("p", [99], 3, seed=0) == cut_states("p", [99], 3, seed=0)
