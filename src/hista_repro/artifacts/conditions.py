"""Under which conditions values help: early and late in an answer, for hard and easy problems; and whether what they say comes true.

A problem is hard or easy by the rewards of the other answers of its group, which is all that an estimator knows of that. By the reference
it would not do: that is noisy, and the states of its lowest third would be there partly by luck.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd

from hista_repro.artifacts.comparisons import BASELINE
from hista_repro.artifacts.measurements import REPEATS, Measurement
from hista_repro.artifacts.problem_sums import error_sums
from hista_repro.artifacts.ratios import ratio
from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.verdicts import Finding, Interval, Word, judge_direction, number_text
from hista_repro.seeding import derive_seed
from hista_repro.sveb import record
from hista_repro.sveb.bootstrap import percentile_interval, resampled_prompts
from hista_repro.sveb.breakdowns import calibration_slopes
from hista_repro.sveb.records import read_table

UNBIASED = ("prefix-tree-loo", "numca-loo", "hista-loo")
PUBLISHED = ("numca", "hista")
JUDGED = "hista-loo"
"""The estimator whose conditions are in question."""
SLOPES_OF = ("hista-loo", "numca-loo", "hista", "numca")
PARTS = {
    "first third of the answer": ("fraction", 0.0, 1 / 3),
    "middle third": ("fraction", 1 / 3, 2 / 3),
    "last third": ("fraction", 2 / 3, np.inf),
    "hard: under 1/3 of the others right": (BASELINE, -np.inf, 1 / 3),
    "1/3 to 2/3 right": (BASELINE, 1 / 3, 2 / 3),
    "easy: 2/3 and more right": (BASELINE, 2 / 3, np.inf),
}
"""Parts of the states -> by what, from where, and up to where (excluded)."""
FEWEST = 20
"""Problems of a part that has intervals: a ratio of errors of which a few problems hold most is skewed, and percentiles of fewer problems
are too narrow for it."""
_UNTOLD = "too few problems"


def with_fractions(measurement: Measurement) -> Measurement:
    """The measurement with `fraction`, the share of the rollout that is before a state."""
    states = read_table(record(measurement.config), "states")[["state_id", "fraction"]]
    return replace(measurement, scores=measurement.scores.merge(states, on="state_id", validate="many_to_one"))


def parts_of(measurement: Measurement) -> dict[str, Measurement]:
    """A measurement `with_fractions` in each of `PARTS`."""
    scores = measurement.scores
    of_baseline = scores[scores["estimator"] == BASELINE].set_index("state_id")["estimate"]
    by = {"fraction": scores["fraction"], BASELINE: scores["state_id"].map(of_baseline)}
    chosen = {part: by[name].between(low, high, inclusive="left") for part, (name, low, high) in PARTS.items()}
    return {part: replace(measurement, scores=scores[rows].reset_index(drop=True)) for part, rows in chosen.items()}


def errors_left(part: Measurement) -> dict[str, Interval] | None:
    """Estimator -> its corrected MSE over that of `BASELINE`; None for fewer problems than `FEWEST`."""
    if (problems := part.scores["problem_id"].nunique()) < FEWEST:
        return None
    sums, _ = error_sums(part, (BASELINE, *UNBIASED))
    resamples_R_P = resampled_prompts(problems, REPEATS, np.random.default_rng(derive_seed(0, "conditions")))
    draws = np.concatenate([np.ones((1, problems)), resamples_R_P]) @ sums
    ratios_R_E = ratio(draws[:, 1:], draws[:, :1])
    low, high = percentile_interval(ratios_R_E[1:].T, 0.95, problems)
    return {name: Interval(*map(float, ends)) for name, *ends in zip(UNBIASED, ratios_R_E[0], low, high, strict=True)}


def slopes(measurement: Measurement) -> dict[str, Interval]:
    """Estimator of `SLOPES_OF` -> the slope of what comes true over what it says (`sveb.breakdowns.calibration_slopes`).

    Without those that say the same of all states.
    """
    rows = calibration_slopes(measurement.scores[measurement.scores["estimator"].isin(SLOPES_OF)], repeats=REPEATS)
    return {row.estimator: Interval(row.slope, row.slope_low, row.slope_high) for row in rows.dropna().itertuples()}


def readable_parts(parts: Mapping[str, Measurement]) -> Captioned:
    """A row for each part: its states and problems, the error of `BASELINE`, and what estimators leave of it."""
    rows = []
    for name, part in parts.items():
        states, problems = (part.scores[what].nunique() for what in ("state_id", "problem_id"))
        left = errors_left(part)
        sums, counts = error_sums(part, (BASELINE,)) if states else (np.zeros((0, 1)), np.ones(0))
        error = number_text(sums.sum() / counts.sum()) if states else "–"
        cells = [_UNTOLD if left is None else left[estimator].text() for estimator in UNBIASED]
        rows.append((f"{name} ({states} states, {problems} problems)", error, *cells))
    size = next(iter(parts.values())).name
    caption = f"{size}. Corrected MSE of {BASELINE}, and that of others over it."
    return Captioned(pd.DataFrame(rows, columns=["states", BASELINE, *UNBIASED]), caption)


def judge_parts(parts: Mapping[str, Measurement]) -> list[Finding]:
    """Whether `JUDGED` errs less than `BASELINE` in each part."""
    findings = []
    for name, part in parts.items():
        left, claim = errors_left(part), f"{JUDGED} errs less than {BASELINE}, {name}"
        if left is None:
            findings.append(Finding(claim, part.name, "implied", _UNTOLD, Word.NOT_RUN))
        else:
            found, word = left[JUDGED].text(), judge_direction(-1, _less_one(left[JUDGED]))
            findings.append(Finding(claim, part.name, "implied", f"ratio {found}", word))
    return findings


def judge_slopes(measurement: Measurement) -> list[Finding]:
    """Whether values are too far from their mean."""
    return [
        Finding(
            f"values of {name} are further apart than what comes true",
            measurement.name,
            "no claim",
            f"slope {slope.text()}",
            judge_direction(-1, _less_one(slope)),
        )
        for name, slope in slopes(measurement).items()
    ]


def numbers_of(measurement: Measurement, parts: Mapping[str, Measurement]) -> dict[str, Any]:
    """The numbers behind the page, for its result."""
    left = {name: errors_left(part) or {} for name, part in parts.items()}
    return {
        "build": measurement.config,
        "domain": measurement.domain,
        "errors_left": {name: {estimator: asdict(share) for estimator, share in shares.items()} for name, shares in left.items()},
        "slopes": {estimator: asdict(slope) for estimator, slope in slopes(measurement).items()},
    }


def shown_numbers(measurement: Measurement, parts: Mapping[str, Measurement]) -> dict[str, str]:
    """The numbers that the page and the book's prose name."""
    keys = ("first", "middle", "last", "hard", "mixed", "easy")
    found = {key: errors_left(part) for key, part in zip(keys, parts.values(), strict=True)}
    shown = {key: _UNTOLD if left is None else left[JUDGED].text() for key, left in found.items()}
    shown |= {f"{name.replace('-', '_')}_slope": slope.text() for name, slope in slopes(measurement).items()}
    return {"setting": measurement.name, **shown}


def _less_one(interval: Interval) -> Interval:
    return Interval(interval.estimate - 1, interval.low - 1, interval.high - 1)
