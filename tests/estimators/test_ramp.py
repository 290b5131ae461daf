import pytest
from synthetic_groups import make_group

from hista_repro.estimators import get_estimator


def test_values_by_hand():
    group = make_group([(0, 0, 0, 0), (0, 0), ()], [1.0, 0.0, 0.5])
    values = get_estimator("ramp").values(group, [[0, 1, 4], [2, 1], [0]])
    # From the mean of the others, 0.25, 0.75 and 0.5, to the own return, in proportion to the tokens read.
    assert values[0].tolist() == pytest.approx([0.25, 0.4375, 1.0])
    assert values[1].tolist() == pytest.approx([0.0, 0.375])
    assert values[2].tolist() == pytest.approx([0.5]), "an empty completion has read nothing"
