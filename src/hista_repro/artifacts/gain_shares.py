"""How much of a method's gain is left without the own outcome, in one setting after the other."""

from collections.abc import Mapping, Sequence

import pandas as pd

from hista_repro.artifacts.comparisons import gain_left
from hista_repro.artifacts.measurements import Measurement
from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.verdicts import Interval, number_text

LEAVE_ONE_OUT = {"hista": "hista-loo", "numca": "numca-loo"}
"""A published method -> its form without the own outcome."""
NO_GAIN = "no clear gain"
TITLES = {"mae": "MAE", "mse": "squared error"}
"""The errors that gains are shared in, as a page calls them."""


def gain_shares(measurements: Sequence[Measurement], error: str) -> dict[str, dict[str, Interval | None]]:
    """Method -> setting -> `comparisons.gain_left` in `error`."""
    return {method: {m.name: gain_left(m, method, left, error) for m in measurements} for method, left in LEAVE_ONE_OUT.items()}


def readable_shares(shares: Mapping[str, Mapping[str, Mapping[str, Interval | None]]]) -> Captioned:
    """A row for each setting, and a column for each method and error; error -> `gain_shares`."""
    columns = {
        f"{method}, {TITLES[error]}": [share_text(share) for share in found.values()]
        for error, by_method in shares.items()
        for method, found in by_method.items()
    }
    settings = list(next(iter(next(iter(shares.values())).values())))
    return Captioned(pd.DataFrame({"setting": settings, **columns}), "Share of the gain that is left without the own outcome.")


def share_text(share: Interval | None) -> str:
    return NO_GAIN if share is None else share.text()


def shares_in_words(shares: Mapping[str, Interval | None]) -> str:
    """From the smallest to the largest share of one method, and in how many settings there is one."""
    found = sorted(share.estimate for share in shares.values() if share is not None)
    if not found:
        return NO_GAIN
    ends = number_text(found[0]) if len(found) == 1 else f"{number_text(found[0])} to {number_text(found[-1])}"
    if len(found) == len(shares):
        return f"{ends} in all {len(shares)} settings"
    return f"{ends} in {len(found)} of {len(shares)} settings, the others without a clear gain"
