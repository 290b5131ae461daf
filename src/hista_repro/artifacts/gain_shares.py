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


def gain_shares(measurements: Sequence[Measurement]) -> dict[str, dict[str, Interval | None]]:
    """Method -> setting -> `comparisons.gain_left`."""
    return {method: {m.name: gain_left(m, method, left) for m in measurements} for method, left in LEAVE_ONE_OUT.items()}


def readable_shares(shares: Mapping[str, Mapping[str, Interval | None]]) -> Captioned:
    """A row for each setting, a column for each method of `gain_shares`."""
    columns = {method: [NO_GAIN if share is None else share.text() for share in found.values()] for method, found in shares.items()}
    settings = list(next(iter(shares.values())))
    return Captioned(pd.DataFrame({"setting": settings, **columns}), "Share of the gain in MAE that is left without the own outcome.")


def shares_in_words(shares: Mapping[str, Interval | None]) -> str:
    """From the smallest to the largest share of one method, and in how many settings there is one."""
    found = sorted(share.estimate for share in shares.values() if share is not None)
    if not found:
        return NO_GAIN
    ends = number_text(found[0]) if len(found) == 1 else f"{number_text(found[0])} to {number_text(found[-1])}"
    return f"{ends} ({len(found)} of {len(shares)} settings)"
