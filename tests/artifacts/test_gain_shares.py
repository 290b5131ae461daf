import numpy as np
import pytest

from hista_repro.artifacts.gain_shares import NO_GAIN, gain_shares, readable_shares, shares_in_words
from hista_repro.artifacts.verdicts import Interval

REFERENCES = np.tile([0.2, 0.8, 0.4, 0.6], 10)
OFF = {"group-mean": 0.3, "loo-mean": 0.3, "numca": 0.1, "numca-loo": 0.15, "hista": 0.3, "hista-loo": 0.3}


def test_shares_by_setting(measured):
    measurement = measured({name: REFERENCES + error for name, error in OFF.items()}, REFERENCES)
    frame = readable_shares({error: gain_shares([measurement], error) for error in ("mae", "mse")}).frame
    assert frame["hista, MAE"].tolist() == [NO_GAIN] and frame["numca, MAE"].tolist()[0].startswith("0.750 [")
    share = (0.3**2 - 0.15**2) / (0.3**2 - 0.1**2)
    assert frame["numca, squared error"].tolist()[0].startswith(f"{share:.3f} [")


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ([0.7, 0.98, 0.9], "0.700 to 0.980 in all 3 settings"),
        ([0.7, None, 0.98, 0.9], "0.700 to 0.980 in 3 of 4 settings, the others without a clear gain"),
        ([0.7, None], "0.700 in 1 of 2 settings, the others without a clear gain"),
        ([None], NO_GAIN),
    ],
)
def test_shares_in_words(shares, words):
    found = {str(n): None if share is None else Interval(share, share - 0.1, share + 0.1) for n, share in enumerate(shares)}
    assert shares_in_words(found) == words
