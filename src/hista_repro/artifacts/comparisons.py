"""Errors of estimators: as a table, one against another, and against what the paper says of the two."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from hista_repro.artifacts.measurements import REPEATS, Measurement
from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.verdicts import Finding, Interval, Word, differences_of_setting, judge_direction, number_text
from hista_repro.paper import PRINTED_TABLES, paper_table, paper_value, sveb_setting
from hista_repro.seeding import derive_seed
from hista_repro.sveb.bootstrap import percentile_interval, resampled_prompts
from hista_repro.sveb.statistics import summarise

PAPER_ROWS = {
    "GRPO@40": "group-mean",
    "PPO-1@40": "ppo-1",
    "PPO-N@40": "ppo-n",
    "Numca@40": "numca",
    "Hista@40": "hista",
    "MCS@1": "mcs-1",
    "MCS@2": "mcs-2",
    "MCS@3": "mcs-3",
}
"""Rows of the paper's SVEB tables -> estimators."""

BASELINE = "loo-mean"
"""What a whole table is compared with: the mean of the other rewards, the simplest unbiased baseline."""


def error_table(measurement: Measurement, not_run: Mapping[str, str]) -> pd.DataFrame:
    """`summarise` against `BASELINE`, estimators in the order in which they were scored.

    Before them comes a row without numbers for each estimator `not_run`, a mapping of names to information sets.
    """
    summary = summarise(measurement.scores, baseline=BASELINE, repeats=REPEATS).set_index("estimator")
    summary = summary.loc[measurement.scores["estimator"].unique()].reset_index()
    missing = pd.DataFrame({"estimator": list(not_run), "information": list(not_run.values())})
    return pd.concat([missing, summary], ignore_index=True)


def printed_errors(number: int, column: str, block: str = "") -> dict[str, float]:
    """What the paper prints in a column of its SVEB Table `number`, by estimator."""
    table = paper_table(number)
    cells = table[(table["column"] == column) & (table["block"] == block)]
    return dict(zip(cells["row"].map(PAPER_ROWS), cells["value"], strict=True))


def printed_panels(number: int, measurements: Sequence[Measurement]) -> dict[str, dict[str, float]]:
    """Title -> `printed_errors`, for each column of Table `number` that is about a domain measured here."""
    columns = dict.fromkeys(measurement.column for measurement in measurements)
    return {f"Paper: {PRINTED_TABLES[number].model}, {column}": printed_errors(number, column) for column in columns}


def readable_errors(measurement: Measurement, table: pd.DataFrame, printed: Mapping[str, float]) -> Captioned:
    """The part of an `error_table` that a page shows, beside the paper's numbers (`printed_errors`)."""
    shown = table[["information", "estimator"]].rename(columns={"information": "looks at"})
    for title, name in (("MAE", "mae"), ("corrected MSE", "mse"), (f"MAE − {BASELINE}", "mae_diff")):
        intervals = table[[name, f"{name}_low", f"{name}_high"]].itertuples(index=False)
        shown[title] = ["not run" if np.isnan(values[0]) else Interval(*values).text(signed=name == "mae_diff") for values in intervals]
    shown.loc[shown["estimator"] == BASELINE, f"MAE − {BASELINE}"] = "–"
    shown["paper"] = [number_text(printed[name]) if name in printed else "–" for name in table["estimator"]]
    floor = number_text(table["floor"].iloc[-1])
    return Captioned(shown, f"{measurement.size}. A perfect estimator would have an MAE of {floor} (noise floor).")


def error_difference(measurement: Measurement, estimator: str, against: str, error: str = "mae") -> Interval:
    """The error of `estimator` minus that of `against` on the same states; `error` is "mae" or "mse" (corrected)."""
    both = measurement.scores[measurement.scores["estimator"].isin([estimator, against])]
    row = summarise(both, baseline=against, repeats=REPEATS).set_index("estimator").loc[estimator]
    return Interval(*(float(row[f"{error}_diff{end}"]) for end in ("", "_low", "_high")))


def readable_differences(measurement: Measurement, pairs: Sequence[tuple[str, str]]) -> Captioned:
    """For each pair (estimator, against): both differences of error, and whether the MAE is smaller, larger or undecided."""
    rows = []
    for estimator, against in pairs:
        mae, mse = (error_difference(measurement, estimator, against, error) for error in ("mae", "mse"))
        word = {Word.AGREES: "smaller", Word.DISAGREES: "larger"}.get(judge_direction(-1, mae), "undecided")
        rows.append((f"{estimator} − {against}", mae.text(signed=True), mse.text(signed=True), word))
    return Captioned(pd.DataFrame(rows, columns=["comparison", "MAE", "corrected MSE", "MAE in words"]), measurement.name)


def gain_left(measurement: Measurement, published: str, unbiased: str, error: str = "mae") -> Interval | None:
    """The share of a method's gain that is left when a rollout's own reward is kept out of its values; `error` is "mae" or "mse".

    The gain of the `unbiased` form over loo-mean, divided by that of the `published` form over group-mean; None where the interval of the
    latter includes 0, so that there is no gain to speak of.
    """
    states = measurement.estimates()
    names = ["group-mean", published, "loo-mean", unbiased]
    # the noise of the references is in both errors of a gain and drops out
    per_state = states[names].sub(states["reference"], axis=0).abs() ** {"mae": 1, "mse": 2}[error]
    errors = per_state.groupby(states["problem_id"]).sum().to_numpy()
    resamples_R_P = resampled_prompts(len(errors), REPEATS, np.random.default_rng(derive_seed(0, "gain", published)))
    draws_R_4 = resamples_R_P @ errors
    gain_R, left_R = draws_R_4[:, 0] - draws_R_4[:, 1], draws_R_4[:, 2] - draws_R_4[:, 3]
    if percentile_interval(gain_R[None], 0.95, len(errors))[0] <= 0:
        return None
    shares_R = np.divide(left_R, gain_R, out=np.full(gain_R.shape, np.nan), where=gain_R != 0)
    low, high = percentile_interval(shares_R[None], 0.95, len(errors))
    sums = errors.sum(axis=0)
    return Interval(float((sums[2] - sums[3]) / (sums[0] - sums[1])), float(low[0]), float(high[0]))


def judge_errors(measurement: Measurement, table: int, pairs: Sequence[tuple[str, str]], block: str = "") -> list[Finding]:
    """For each pair of rows of the paper's `table`: does the first have the smaller (or larger) error here too?

    A pair of which an estimator was not scored here is a finding that was not run.
    """
    findings = []
    for row, other in pairs:
        difference = paper_value(table, row, measurement.column, block) - paper_value(table, other, measurement.column, block)
        claim = f"{row} has a {'smaller' if difference < 0 else 'larger'} error than {other}"
        ours, word = "–", Word.NOT_RUN
        if {PAPER_ROWS[row], PAPER_ROWS[other]} <= set(measurement.scores["estimator"]):
            interval = error_difference(measurement, PAPER_ROWS[row], PAPER_ROWS[other])
            ours, word = interval.text(signed=True), judge_direction(difference, interval)
        findings.append(Finding(claim, measurement.name, number_text(difference, signed=True), ours, word))
    return findings


def setting_differences(measurements: Sequence[Measurement], model: str) -> tuple[str, ...]:
    """In what the measurements differ from the paper's, which was made with `model`: the reasons not to compare levels."""
    columns = dict.fromkeys(measurement.column for measurement in measurements)
    theirs = [sveb_setting(model, column) for column in columns]
    return differences_of_setting(theirs, [measurement.setting for measurement in measurements])
