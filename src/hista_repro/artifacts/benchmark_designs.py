"""What the design of a benchmark does to its scores, as a page shows it (`hista_repro.sveb.designs`)."""

from collections.abc import Mapping

import pandas as pd

from hista_repro.artifacts.measurements import REPEATS
from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.verdicts import Interval
from hista_repro.sveb.designs import LEAVE_ONE_OUT
from hista_repro.sveb.statistics import summarise


def readable_pools(scores: pd.DataFrame, forms: Mapping[str, str] = LEAVE_ONE_OUT) -> Captioned:
    """The MAE of each method as published, without its own outcome, and over an independent pool, from `designs.pool_scores`.

    The last column is the paired difference of the first and the third: what seeing the own rollout is worth to the published form.
    """
    rows = []
    for published, other in forms.items():
        independent = f"{other}, independent"
        names = [published, other, independent]
        table = summarise(scores[scores["estimator"].isin(names)], baseline=independent, repeats=REPEATS)
        table = table[table["domain"] == table["domain"].iloc[-1]].set_index("estimator")
        errors = [_interval(table.loc[name], "mae").text() for name in names]
        rows.append((published, *errors, _interval(table.loc[published], "mae_diff").text(signed=True)))
    columns = ["estimator", "as published", "own outcome left out", "independent pool", "as published − independent"]
    caption = "MAE on the same states, by what is seen of the rollout that a state is cut from: all, no outcome, nothing."
    return Captioned(pd.DataFrame(rows, columns=columns), caption)


def readable_selection(biases: Mapping[str, pd.DataFrame]) -> Captioned:
    """Design -> `designs.selection_bias`, as one table: how far own outcomes lie above the values of the states that were picked."""
    rows = []
    for design, table in biases.items():
        for row in table.itertuples():
            words = "fair" if row.low <= 0 <= row.high else "right endings preferred" if row.bias > 0 else "wrong endings preferred"
            rows.append((design, row.domain, row.n_states, Interval(row.bias, row.low, row.high).text(signed=True), words))
    columns = ["cuts", "field", "states", "own outcome − reference", "selection"]
    return Captioned(pd.DataFrame(rows, columns=columns), "Zero, up to chance, where a state is picked without regard to its ending.")


def _interval(row: pd.Series, name: str) -> Interval:
    return Interval(*(float(row[f"{name}{end}"]) for end in ("", "_low", "_high")))
