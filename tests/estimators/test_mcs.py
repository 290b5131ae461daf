from dataclasses import replace

import pytest
import torch
from synthetic_groups import make_group

from hista_repro.estimators import available_estimators, get_estimator


def test_values_are_means_of_fresh_continuations():
    asked = []

    def continue_from(i, t, k):
        asked.append((i, t, k))
        return torch.arange(k) + i + 0.5 * t

    group = replace(make_group([(0, 1), (2,)], [1.0, 0.0]), continue_from=continue_from)
    values = get_estimator("mcs-3").values(group, [[2, 0], [1]])
    assert asked == [(0, 2, 3), (0, 0, 3), (1, 1, 3)]
    assert [part.tolist() for part in values] == [[2.0, 1.0], [2.5]]


def test_one_to_three_continuations_are_on_offer_and_any_number_can_be_had():
    assert {"mcs-1", "mcs-2", "mcs-3"} <= set(available_estimators())
    assert get_estimator("mcs-1", draws=8).name == "mcs-8"
    with pytest.raises(ValueError, match="draws must be 1 continuation or more, not 0"):
        get_estimator("mcs-1", draws=0)


def test_a_group_that_cannot_continue_is_named():
    group = replace(make_group([(0, 1)], [1.0], name="p7"), continue_from=None)
    with pytest.raises(ValueError, match="continue_from is None for prompt 'p7', and mcs-2 samples continuations"):
        get_estimator("mcs-2").values(group, [[0]])
