"""Do hidden states tell more than the text? States apart by whether another answer begins with the same tokens.

Where one does, to compare hidden states is to compare text: they are equal, and Hista's weights 1 / distance leave nothing to any other.
What reads text alone, the prefix tree, is the control there; where no answer has the same text, hidden states have to say something.
"""

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from hista_repro.artifacts.comparisons import BASELINE, error_difference
from hista_repro.artifacts.conditions import FEWEST
from hista_repro.artifacts.kept_tables import kept_scores
from hista_repro.artifacts.measurements import Measurement
from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.verdicts import Finding, Interval, Word, judge_direction
from hista_repro.estimators import Estimator, get_estimator
from hista_repro.estimators.prefix_tree import shared_by
from hista_repro.sveb import record
from hista_repro.sveb.benchmark import Benchmark

ESTIMATORS = ("prefix-tree-loo", "numca-loo", "hista-loo")
"""Estimators that come with the package, compared with `BASELINE`: by text alone, by numbers in it, by hidden states."""
TREE = "prefix-tree-loo, κ = 0"
"""The prefix tree without shrinkage: where other answers have the text of a state, their mean reward."""
FINE = "hista-loo, a node per token"
"""Hista where it sees every place at which answers part, as the tree does, and not one every few tokens."""
COMPARED = ("prefix-tree-loo", TREE, "numca-loo", "hista-loo", FINE)
"""The rows of the page."""
PARTS = {"all": "all states", "shared": "another answer has the same text", "alone": "no other answer has the same text"}
"""Parts of the states, in words."""
_HEADS = {"all": "all states", "shared": "text that others share", "alone": "text of its own"}
EQUAL = 0.001
"""Values of at most this distance are equal for all purposes."""


def with_variants(measurement: Measurement) -> Measurement:
    """The measurement with the scores of `TREE` and `FINE`."""
    variants: dict[str, Estimator] = {
        TREE: get_estimator("prefix-tree-loo", kappa=0.0),
        FINE: get_estimator("hista-loo", interval=1, stride=1),
    }
    scores = kept_scores(Benchmark(record(measurement.config)), variants, adapt=False)
    scores = scores[scores["state_id"].isin(measurement.scores["state_id"])]
    return replace(measurement, scores=pd.concat([measurement.scores, scores], ignore_index=True))


def others_with_the_text(measurement: Measurement) -> pd.Series:
    """state_id -> how many other rollouts of its prompt begin with the tokens of the state."""
    benchmark = Benchmark(record(measurement.config))
    counts: dict[str, int] = {}
    for problem in measurement.scores["problem_id"].unique():
        for group, states in benchmark.asked(problem):
            positions: list[list[int]] = [[] for _ in range(group.size)]
            for state in states.itertuples():
                positions[state.sample].append(state.token_index)
            shared = [iter(numbers) for numbers in shared_by(group, positions)]
            counts |= {state.state_id: next(shared[state.sample]) for state in states.itertuples()}
    return pd.Series(counts).loc[measurement.scores["state_id"].unique()]


def parts_of(measurement: Measurement, others: pd.Series) -> dict[str, Measurement]:
    """The measurement in each of `PARTS`; `others` as `others_with_the_text` gives them."""
    number = measurement.scores["state_id"].map(others)
    chosen = {"all": number >= 0, "shared": number > 0, "alone": number == 0}
    return {part: replace(measurement, scores=measurement.scores[rows].reset_index(drop=True)) for part, rows in chosen.items()}


def parts_table(parts: Mapping[str, Measurement]) -> pd.DataFrame:
    """One row per part and estimator: part, estimator, states, problems, and corrected MSE minus that of `BASELINE` with its interval.

    A part with too few problems for an interval has none.
    """
    rows = []
    for part, measurement in parts.items():
        states, problems = (measurement.scores[name].nunique() for name in ("state_id", "problem_id"))
        for estimator in COMPARED:
            difference = _difference(measurement, estimator, BASELINE)
            ends = {} if difference is None else {"diff": difference.estimate, "diff_low": difference.low, "diff_high": difference.high}
            rows.append({"part": part, "estimator": estimator, "states": states, "problems": problems, **ends})
    return pd.DataFrame(rows, columns=["part", "estimator", "states", "problems", "diff", "diff_low", "diff_high"])


def readable_parts(measurement: Measurement, table: pd.DataFrame, others: pd.Series) -> Captioned:
    """A `parts_table` as a page shows it, with how often another answer has the same text."""
    shown = pd.DataFrame({"estimator": ["states (problems)", *COMPARED]})
    for part, rows in table.groupby("part", sort=False):
        cells = rows.set_index("estimator").loc[list(COMPARED), ["diff", "diff_low", "diff_high"]].itertuples(index=False)
        differences = ["–" if pd.isna(cell[0]) else Interval(*cell).text(signed=True) for cell in cells]
        shown[_HEADS[part]] = [f"{rows['states'].iloc[0]} ({rows['problems'].iloc[0]})", *differences]
    caption = (
        f"{measurement.size}. Corrected MSE minus that of {BASELINE}. In {(others > 0).mean():.0%} of the states another answer has the "
        f"same text so far, typically {others.median():g} of {measurement.config['group_size'] - 1}."
    )
    return Captioned(shown, caption)


def share_equal(part: Measurement, estimator: str) -> float:
    """In which share of the states of `part` the value of `estimator` is that of `TREE`; NaN without states."""
    estimates = part.estimates()
    return float((estimates[estimator] - estimates[TREE]).abs().le(EQUAL).mean())


def judge_parts(parts: Mapping[str, Measurement]) -> list[Finding]:
    """What hidden states, and numbers, add to the text: in all states, and where no other answer has the same text."""
    claims = [
        ("all", "hista-loo", "prefix-tree-loo", "hista-loo errs less than the prefix tree, which reads text alone"),
        ("all", FINE, TREE, "with a node per token, hista-loo errs less than the prefix tree with κ = 0"),
        ("all", "numca-loo", "prefix-tree-loo", "numca-loo errs less than the prefix tree, which reads text alone"),
        ("alone", "hista-loo", BASELINE, f"where no other answer has the same text, hista-loo errs less than {BASELINE}"),
        ("alone", FINE, BASELINE, f"where no other answer has the same text, hista-loo with a node per token errs less than {BASELINE}"),
        ("alone", "numca-loo", BASELINE, f"where no other answer has the same text, numca-loo errs less than {BASELINE}"),
    ]
    findings = []
    for part, estimator, against, claim in claims:
        difference, paper = _difference(parts[part], estimator, against), "implied" if against == BASELINE else "no claim"
        if difference is None:
            findings.append(Finding(claim, parts[part].name, paper, "too few such states", Word.NOT_RUN))
        else:
            findings.append(Finding(claim, parts[part].name, paper, difference.text(signed=True), judge_direction(-1, difference)))
    return findings


def shown_numbers(measurement: Measurement, parts: Mapping[str, Measurement], others: pd.Series) -> dict[str, str]:
    """The numbers that the page and the book's prose name."""
    shown = {
        "setting": measurement.name,
        "share": f"{(others > 0).mean():.2f}",
        "equal": f"{share_equal(parts['shared'], 'hista-loo'):.2f}",
        "equal_fine": f"{share_equal(parts['shared'], FINE):.2f}",
        "alone": f"{(others == 0).sum()}",
    }
    pairs = [
        ("hista_tree", "all", "hista-loo", "prefix-tree-loo"),
        ("tree_mean", "all", "prefix-tree-loo", BASELINE),
        ("hista_mean", "all", "hista-loo", BASELINE),
        ("plain_tree_mean", "all", TREE, BASELINE),
        ("fine_mean", "all", FINE, BASELINE),
        ("fine_tree", "all", FINE, TREE),
        ("hista_alone", "alone", "hista-loo", BASELINE),
        ("fine_alone", "alone", FINE, BASELINE),
        ("numca_alone", "alone", "numca-loo", BASELINE),
    ]
    for key, part, estimator, against in pairs:
        difference = _difference(parts[part], estimator, against)
        shown[key] = "not measured" if difference is None else difference.text(signed=True)
    return shown


def _difference(part: Measurement, estimator: str, against: str) -> Interval | None:
    if part.scores["problem_id"].nunique() < FEWEST:
        return None
    return error_difference(part, estimator, against, "mse")
