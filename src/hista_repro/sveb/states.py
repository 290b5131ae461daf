"""Which states of a problem's rollouts are evaluated."""

from collections.abc import Sequence

import numpy as np

from hista_repro.seeding import derive_seed


def cut_states(problem_id: str, lengths: Sequence[int], count: int, seed: int) -> list[tuple[int, int]]:
    """`count` different states (sample, token_index) of the rollouts of one problem, whose lengths in tokens are `lengths`.

    As in section 4.1 the cut is uniform over the tokens of a rollout, the prompt itself and the finished completion left out; rollouts
    are taken in a random order, one state from each before a second from any. Fewer states come back where the rollouts have fewer.
    """
    generator = np.random.default_rng(derive_seed(seed, "states", problem_id))
    left = {sample: list(generator.permutation(np.arange(1, lengths[sample]))) for sample in generator.permutation(len(lengths))}
    states: list[tuple[int, int]] = []
    while len(states) < count and any(left.values()):
        for sample, positions in left.items():
            if positions and len(states) < count:
                states.append((int(sample), int(positions.pop())))
    return sorted(states)
