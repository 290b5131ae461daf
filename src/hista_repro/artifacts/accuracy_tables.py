"""Accuracies as a page shows them: scores beside the paper's, paired differences, what went wrong, and second opinions."""

from collections.abc import Iterable

import pandas as pd

from hista_repro.artifacts.accuracies import Accuracies, Arm, accuracy, difference
from hista_repro.artifacts.printed_accuracies import AVERAGE, printed_accuracies
from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.verdicts import Word, judge_direction, number_text
from hista_repro.benchmarks import disagreements, get_benchmark, summarise
from hista_repro.benchmarks.regrading import DISAGREEMENTS
from hista_repro.benchmarks.statistics import smallest_difference
from hista_repro.problems.prompting import FINAL_ANSWER, REASON

SHOWN = 10
"""Disagreements of graders that a page shows; the number of all of them is in the caption."""
SAME = "alike on each"
"""Of two arms that answer every question alike: without a difference to resample there is no interval."""


def readable_benchmarks(names: Iterable[str]) -> Captioned:
    """How each benchmark is asked and graded."""
    rows = []
    for benchmark in map(get_benchmark, names):
        origin = "built in" if benchmark.built_in else f"{benchmark.hub.id}@{benchmark.hub.revision[:7]}, {benchmark.hub.split}"
        asked = f"temperature {benchmark.temperature}, " + (f"avg@{benchmark.samples}" if benchmark.samples > 1 else "one sample")
        forms = {"bare question" if benchmark.built_in else FINAL_ANSWER[verifier] for verifier in benchmark.verifiers}
        rows.append((benchmark.title, origin, " / ".join(sorted(forms)), " or ".join(benchmark.verifiers), asked, benchmark.authors or "–"))
    columns = ["benchmark", "questions", "system prompt ends", "graded as", "asked at", "authors' released evaluation"]
    return Captioned(pd.DataFrame(rows, columns=columns), f'How each benchmark is asked. System prompts begin: "{REASON}"')


def readable_accuracies(accuracies: Accuracies) -> Captioned:
    """A row for each arm: the score in every column with its interval, and the average that the paper prints for the same row."""
    printed = printed_accuracies(accuracies.number)
    averages = printed[printed["column"] == AVERAGE].set_index(["block", "row"])["value"]
    rows = []
    for arm in accuracies.arms:
        row = {"model": arm.block, "arm": arm.name, **{title: _cell(arm, accuracies, title) for title in accuracies.columns}}
        paper = averages.get((arm.block, arm.name))
        rows.append({**row, "paper, average": "–" if paper is None else number_text(paper)})
    return Captioned(pd.DataFrame(rows), f"{accuracies.size}. Accuracies with 95% intervals over questions and answers.")


def readable_needs(rows: pd.DataFrame) -> str:
    """What each of `rows` (model, arm, needs) needs before there is a number, as a Markdown list."""
    return "\n".join(f"- {row.model}, {row.arm}: not run: needs {row.needs}" for row in rows.itertuples()) or "Every row was run."


def readable_gains(accuracies: Accuracies) -> Captioned:
    """For each pair of arms that the paper compares: the paired difference in every column, and what the average can resolve."""
    rows = []
    for first, second in accuracies.pairs():
        found = {title: difference(first, second, columns) for title, columns in accuracies.columns.items()}
        average, resolved = found[AVERAGE]
        word = {Word.AGREES: "higher", Word.DISAGREES: "lower"}.get(judge_direction(1, average), "undecided")
        cells = {title: gain.text(signed=True) if gain.low < gain.high else SAME for title, (gain, _) in found.items()}
        row = {"model": first.block, "comparison": f"{first.name} − {second.name}", **cells}
        rows.append({**row, "smallest to be found": number_text(resolved) if resolved else "–", "average in words": word})
    columns = ["model", "comparison", *accuracies.columns, "smallest to be found", "average in words"]
    caption = "Differences on the same questions with 95% intervals; the smallest true difference that a test at 5% finds in 80% of cases."
    return Captioned(pd.DataFrame(rows, columns=columns), caption)


def readable_answers(accuracies: Accuracies) -> Captioned:
    """For each arm and benchmark: how it was asked, the standard errors, what the set resolves, and the answers without a fair grade."""
    rows = []
    for arm in accuracies.measured:
        for found in summarise(arm.evaluation).itertuples():
            asked = f"{found.questions} × {found.samples}"
            counts = (found.unparsed, found.truncated, found.timeout + found.crash)
            errors = ("–" if pd.isna(error) else number_text(error) for error in (found.se, found.se_sampling, found.smallest_difference))
            rows.append((arm.block, arm.name, found.title, asked, number_text(found.score), *errors, *counts))
    columns = ["model", "arm", "benchmark", "questions × samples", "accuracy", "standard error", "of it sampling", "smallest difference"]
    columns += ["unparsed", "truncated", "time-out or crash"]
    caption = "The smallest difference is what two models must differ by to be told apart, if their answers were independent."
    return Captioned(pd.DataFrame(rows, columns=columns), caption)


def readable_disagreements(accuracies: Accuracies) -> Captioned:
    """The stored answers on which plain means differ from the grader (`benchmarks.disagreements`), of all arms."""
    found = pd.concat([disagreements(arm.folder).assign(model=arm.block, arm=arm.name) for arm in accuracies.measured])
    answers = sum(len(arm.evaluation.samples) for arm in accuracies.measured)
    counts = ", ".join(f"{kind}: {count}" for kind, count in found["second_opinion"].value_counts().items())
    shown = found[["model", "arm", *DISAGREEMENTS]].head(SHOWN).fillna("–")
    shown = shown.rename(columns={"problem_id": "question", "graded": "grader", "second_opinion": "second opinion"})
    caption = f"{len(found)} disagreements over {answers} answers" + (f" ({counts}); the first {len(shown)} of them." if counts else ".")
    return Captioned(shown, caption)


def _cell(arm: Arm, accuracies: Accuracies, title: str) -> str:
    if arm.folder is None:
        return "not run"
    return accuracy(arm.evaluation, accuracies.columns[title]).text()


def texts(accuracies: Accuracies) -> dict[str, str]:
    """The numbers of the first arm that the text of a page shows: `first` (its name), `average`, `smallest` (difference to be found)."""
    arm, columns = accuracies.measured[0], accuracies.columns[AVERAGE]
    return {
        "first": f"{arm.block}, {arm.name}",
        "average": _cell(arm, accuracies, AVERAGE),
        "smallest": number_text(smallest_difference(2**0.5 * arm.evaluation.standard_error(columns))),
    }
