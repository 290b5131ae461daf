import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hista_repro.sveb.states import cut_states


@settings(deadline=None)
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


@settings(deadline=None)
@given(lengths=st.lists(st.integers(0, 40), min_size=1, max_size=8), count=st.integers(1, 30), every=st.integers(1, 9))
def test_fixed_cuts_lie_at_multiples_inside_rollouts_at_most_one_in_each(lengths, count, every):
    states = cut_states("p", lengths, count, 0, every=every, longest=40)
    assert len({i for i, _ in states}) == len(states) <= count
    assert all(t % every == 0 and every <= t < lengths[i] for i, t in states)


def test_what_follows_a_fixed_cut_does_not_change_it():
    for seed in range(20):
        states = cut_states("p", [30] * 6, 6, seed, every=5, longest=40)
        ended = cut_states("p", [min(30, dict(states).get(i, 29) + 1) for i in range(6)], 6, seed, every=5, longest=40)
        assert ended == states


def test_uniform_cuts_favour_states_of_short_rollouts_and_fixed_ones_do_not():
    """After its fifth token a rollout ends at token 10, rightly, or at token 40, wrongly; so every state until then is worth a half."""
    rng = np.random.default_rng(0)
    excess = {None: [], 5: []}
    for problem in range(4000):
        right = rng.random(4) < 0.5
        for every, found in excess.items():
            states = cut_states(f"p{problem}", np.where(right, 10, 40), 1, 0, every=every, longest=40)
            found.extend(right[i] - 0.5 for i, t in states if t <= 5)
    # A cut falls on token t <= 5 of a short rollout with 1/9 and of a long one with 1/39: 39/48 of such states are of short ones.
    assert abs(np.mean(excess[None]) - (39 / 48 - 0.5)) < 4 * 0.5 / len(excess[None]) ** 0.5
    assert abs(np.mean(excess[5])) < 4 * 0.5 / len(excess[5]) ** 0.5
