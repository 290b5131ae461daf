"""The best settings of unbiased estimators: chosen on some problems of a benchmark, and confirmed on others.

The choice looks at the rewards of the rollouts alone (`sveb.selection`), as anybody could who trains: no continuation is drawn for it.
What confirms are states of problems that the choice does not see, against their references.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from hista_repro.artifacts.comparisons import BASELINE, error_difference
from hista_repro.artifacts.kept_tables import kept_table
from hista_repro.artifacts.measurements import REPEATS, Measurement
from hista_repro.artifacts.search_candidates import TRANSFORMED, candidates
from hista_repro.artifacts.search_steps import search_choices, search_confirmed
from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.verdicts import Finding, Interval, Word, judge_direction
from hista_repro.errors import Refused
from hista_repro.estimators import get_estimator
from hista_repro.estimators.transformed import Transformed
from hista_repro.models.sizes import depth_of
from hista_repro.seeding import derive_seed
from hista_repro.sveb import record
from hista_repro.sveb.benchmark import Benchmark

PARTS = {"transform": 0.1, "choose": 0.4, "confirm": 0.5}
"""The share of the problems that fits transformations for the choice, that chooses, and that confirms, with transformations fitted on the
other two."""
_LEAST = 10
"""Problems without which a part has none."""


@dataclass(frozen=True)
class Search:
    """What came of a search on one measurement."""

    choices: pd.DataFrame
    """One row per candidate: family, settings, `brier` and `diff` to the best of all with intervals (`_low`, `_high`), and `chosen`."""
    chosen: Mapping[str, str]
    """Family -> the settings with the least score, the best family first."""
    confirmed: Measurement
    """The scores in the states of the problems that confirm: families as they come under their names, others by `label`."""
    problems: Mapping[str, int]
    """How many problems each of `PARTS` has."""

    @property
    def best(self) -> str:
        """The label of the candidate with the least score of all."""
        return label(*next(iter(self.chosen.items())))


def label(family: str, settings: str) -> str:
    """What the scores of a candidate are called."""
    return f"{family}: {settings}"


def search(measurement: Measurement) -> Search:
    """Choose on some problems of the build behind `measurement`, which has scored `FAMILIES` and `BASELINE`, and confirm on others.

    Raises `Refused` for fewer than ten problems.
    """
    benchmark = Benchmark(record(measurement.config))
    parts = split(sorted(measurement.scores["problem_id"].unique()), benchmark.config.seed)
    tried = candidates(benchmark.typical_length, depth_of(benchmark.config.model))
    choices = kept_table(search_choices, benchmark, tried, parts, REPEATS)
    best = choices.loc[choices["chosen"]].sort_values("brier")
    chosen = dict(zip(best["family"], best["settings"], strict=True))
    asked = {label(*key): tried[key] for key in chosen.items()}
    for family, kinds in TRANSFORMED.items():
        base = get_estimator(family).for_length(benchmark.typical_length)
        asked |= {label(family, kind): Transformed(base, kind) for kind in kinds}
    scores = pd.concat([measurement.scores, kept_table(search_confirmed, benchmark, asked, parts)])
    confirmed = replace(measurement, scores=scores[scores["problem_id"].isin(parts["confirm"])].reset_index(drop=True))
    return Search(choices, chosen, confirmed, {name: len(problems) for name, problems in parts.items()})


def split(problems: Sequence[str], seed: int) -> dict[str, list[str]]:
    """The problems by part, in a random order; raises `Refused` for too few."""
    if len(problems) < _LEAST:
        raise Refused(f"the benchmark keeps {len(problems)} problems, and a search needs {_LEAST}; raise its limit")
    order = np.random.default_rng(derive_seed(seed, "search")).permutation(list(problems)).tolist()
    ends = np.rint(np.cumsum([0, *PARTS.values()]) * len(order)).astype(int)
    return {name: order[start:end] for name, start, end in zip(PARTS, ends[:-1], ends[1:], strict=True)}


def readable_choices(found: Search) -> Captioned:
    """What was chosen of each family, with its score and how far it is behind the best of all."""
    rows = found.choices[found.choices["chosen"]].sort_values("brier")
    counts = found.choices.groupby("family").size()
    shown = rows[["family", "settings"]].rename(columns={"settings": "chosen"})
    shown["of"] = [f"{counts[family]}" for family in rows["family"]]
    for title, name in (("Brier score", "brier"), ("minus the best", "diff")):
        cells = rows[[name, f"{name}_low", f"{name}_high"]].itertuples(index=False)
        shown[title] = [Interval(*cell).text(signed=name == "diff") for cell in cells]
    parts = found.problems
    return Captioned(shown, f"{found.confirmed.name}: chosen on {parts['choose']} problems, by the rewards of their rollouts alone.")


def confirmed_table(found: Search) -> pd.DataFrame:
    """One row per family, as it comes and as chosen: family, form, and corrected MSE minus that of `BASELINE` with its interval."""
    rows = []
    for family, settings in found.chosen.items():
        for form, name in (("as it comes", family), ("as chosen", label(family, settings))):
            rows.append({"family": family, "form": form, **_difference(found, name, BASELINE)})
    return pd.DataFrame(rows)


def transformed_table(found: Search) -> pd.DataFrame:
    """One row per family and transformation: family, kind, and corrected MSE minus that on hidden states as they are, with its interval."""
    rows = [
        {"family": family, "kind": kind, **_difference(found, label(family, kind), family)}
        for family, kinds in TRANSFORMED.items()
        for kind in kinds
    ]
    return pd.DataFrame(rows)


def readable_confirmed(found: Search, table: pd.DataFrame, compared: str, caption: str) -> Captioned:
    """A table of differences as a page shows it; `compared` heads the differences."""
    shown = table.drop(columns=["diff", "diff_low", "diff_high"])
    shown[compared] = [Interval(*cell).text(signed=True) for cell in table[["diff", "diff_low", "diff_high"]].itertuples(index=False)]
    return Captioned(shown, f"{found.confirmed.size}, none of which chose. {caption}")


def judge_best(found: Search, against: str, named: str) -> Finding:
    """That what was chosen errs less than the estimator `against` (`named` in words), on the problems that confirm."""
    difference = error_difference(found.confirmed, found.best, against, "mse")
    claim = f"the estimator that was chosen errs less than {named}"
    if difference.low == difference.high == 0:
        return Finding(claim, found.confirmed.name, "no claim", "they are the same", Word.NOT_COMPARABLE)
    ours = f"{found.best} − {against}: {difference.text(signed=True)}"
    return Finding(claim, found.confirmed.name, "no claim", ours, judge_direction(-1, difference))


def judge_transformed(found: Search, family: str, kind: str) -> Finding:
    """That an estimator errs less on transformed hidden states, with its other settings as they come."""
    difference = error_difference(found.confirmed, label(family, kind), family, "mse")
    claim = f"{family} errs less on {kind} hidden states"
    return Finding(claim, found.confirmed.name, "no claim", difference.text(signed=True), judge_direction(-1, difference))


def _difference(found: Search, estimator: str, against: str) -> dict[str, float]:
    interval = error_difference(found.confirmed, estimator, against, "mse")
    return {"diff": interval.estimate, "diff_low": interval.low, "diff_high": interval.high}
