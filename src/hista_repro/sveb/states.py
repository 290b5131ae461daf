"""Which states of a problem's rollouts are evaluated.

Section 4.1 cuts a rollout of T tokens anywhere, with the same probability 1 / (T - 1) for every cut. A given state is then the more
likely to be picked the sooner its rollout ended, so its own rollout is not a fair continuation of it: where right answers are short, the
own outcome of the states that are picked is right more often than their value says. Cuts at fixed positions depend on what came after the
state by one action alone: a state is taken where its rollout did not end at once, as continuations of it may. Up to that, the mean of own
outcome minus value is zero.
"""

from collections.abc import Sequence

import numpy as np

from hista_repro.seeding import derive_seed


def cut_states(
    problem_id: str, lengths: Sequence[int], count: int, seed: int, *, every: int | None = None, longest: int = 0
) -> list[tuple[int, int]]:
    """At most `count` different states (sample, token_index) of the rollouts of one problem, whose lengths in tokens are `lengths`.

    Rollouts are taken in a random order; the prompt and the finished completion are no states. Without `every` the cut is uniform over
    the tokens of a rollout, and there is one state from each rollout before a second from any. With it, a position is drawn for each
    rollout from the multiples of `every` below `longest`, which must not come from these rollouts, and one that has ended there gives no
    state. It has no second turn: only those would take one that ended early.
    """
    generator = np.random.default_rng(derive_seed(seed, "states", problem_id))
    order = generator.permutation(len(lengths))
    if every is None:
        turns = {sample: list(generator.permutation(np.arange(1, lengths[sample]))) for sample in order}
    else:
        turns = {sample: list(generator.permutation(np.arange(every, longest, every))[:1]) for sample in order}
    states: list[tuple[int, int]] = []
    while len(states) < count and any(turns.values()):
        for sample, left in turns.items():
            if left and len(states) < count and (position := left.pop()) < lengths[sample]:
                states.append((int(sample), int(position)))
    return sorted(states)
