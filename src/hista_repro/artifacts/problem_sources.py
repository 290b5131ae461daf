"""Where problems come from, and how many of them each filter drops (Table 16 and Appendix H of the paper)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from hista_repro.artifacts.plotting import STYLE, WIDTH
from hista_repro.artifacts.tables import Captioned
from hista_repro.artifacts.verdicts import Finding, Word
from hista_repro.errors import Refused
from hista_repro.paper import paper_table
from hista_repro.problems.hub import HUB_SOURCES
from hista_repro.problems.sources import BUILT_IN
from hista_repro.sveb import record
from hista_repro.sveb.records import read_manifest, read_table

PAPER_ROWS = {
    "DAPO-17K": ("BytedTsinghua-SIA/DAPO-Math-17k", "open-r1/DAPO-Math-17k-Processed"),
    "OpenR1-220K": ("open-r1/OpenR1-Math-220k",),
    "Llama-Nemotron Post Training": ("nvidia/Llama-Nemotron-Post-Training-Dataset", "open-r1/Mixture-of-Thoughts"),
    "WebInstruct-verified": ("TIGER-Lab/WebInstruct-verified",),
    "Verifiable Coding Problem": ("PrimeIntellect/verifiable-coding-problems", "open-r1/verifiable-coding-problems-python"),
}
"""Row of Table 16 -> its data set on the hub, and the derived one that the authors' data preparation reads."""

FATES = {
    "kept": ("kept", "#009E73"),
    "dropped_too_hard": ("too hard", "#0072B2"),
    "dropped_too_easy": ("too easy", "#E69F00"),
    "dropped_few_numbers": ("too few numbers", "#555555"),
}
"""What becomes of a problem, as the manifest of a build counts it -> in words, and its colour."""


def known_sources() -> Captioned:
    """Every source that `load_problems` knows by name."""
    row_of = {name: row for row, names in PAPER_ROWS.items() for name in names}
    rows = [(name, source.domain, f"hub, {source.config}/{source.split}", row_of.get(name, "–")) for name, source in HUB_SOURCES.items()]
    rows += [(name, source.domain, "built in, generated", "–") for name, source in BUILT_IN.items()]
    return Captioned(pd.DataFrame(rows, columns=["source", "field", "where", "row of Table 16"]), "Sources of problems known by name.")


def count_problems(builds: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per build, made if need be: model, source, domain, problems (the candidates), `FATES`, screened (rollouts of each
    candidate), low and high (the accuracies that are kept), accuracy (mean over candidates). Raises `Refused` for no builds.
    """
    if not builds:
        raise Refused("builds is empty; give the settings of one build or more")
    rows = []
    for build in builds:
        folder = record(build)
        manifest = read_manifest(folder)
        config, counts = manifest["config"], manifest["counts"]
        row = {"model": Path(config["model"]).name, "source": config["problems"], "accuracy": manifest["accuracy"]}
        row |= {"domain": ", ".join(read_table(folder, "problems")["domain"].unique()), "problems": counts["problems"]}
        row |= {"screened": config["screen"], "low": config["min_accuracy"], "high": config["max_accuracy"]}
        rows.append(row | {fate: counts[fate] for fate in FATES})
    return pd.DataFrame(rows)


def readable_counts(table: pd.DataFrame) -> Captioned:
    """A `count_problems` table as a page shows it."""
    shown = table[["model", "source", "domain", "problems", *FATES, "accuracy"]].copy()
    shown["accuracy"] = [f"{accuracy:.2f}" for accuracy in table["accuracy"]]
    titles = {"domain": "field", "problems": "candidates", "accuracy": "mean accuracy"}
    titles |= {fate: words for fate, (words, _) in FATES.items()}
    rules = dict.fromkeys(f"{row.low} to {row.high} over {row.screened} rollouts" for row in table.itertuples())
    return Captioned(shown.rename(columns=titles), f"Candidates are kept if their accuracy is {' or '.join(rules)}.")


def plot_counts(table: pd.DataFrame) -> Figure:
    """A bar for each row of a `count_problems` table: the share of its candidates that each filter drops, and what is kept."""
    with matplotlib.rc_context(STYLE):
        figure, axis = plt.subplots(figsize=(WIDTH, 0.45 * len(table) + 1.0))
        labels = [f"{row.model},\n{Path(row.source).name}" for row in table.itertuples()]
        left = pd.Series(0.0, index=table.index)
        for fate, (words, colour) in FATES.items():
            share = table[fate] / table["problems"]
            axis.barh(range(len(table)), share, left=left, label=words, color=colour, height=0.6)
            left += share
        axis.set(xlim=(0, 1), xlabel="share of the candidates", yticks=range(len(table)), yticklabels=labels)
        axis.invert_yaxis()
        figure.legend(loc="outside upper center", ncols=len(FATES), frameon=False, handlelength=1)
        plt.close(figure)
    return figure


def judge_counts(table: pd.DataFrame) -> list[Finding]:
    """A finding for each printed count: how many problems were kept here of the same source, which is a matter of how many were asked."""
    findings = []
    for cell in paper_table(16).itertuples():
        here = table[table["source"].isin(PAPER_ROWS[cell.row])]
        kept = ", ".join(f"{row.kept} of {row.problems} kept with {row.model}" for row in here.itertuples())
        claim = f"{cell.row} gives {cell.printed} training problems to models of {cell.block}"
        word = Word.NOT_COMPARABLE if kept else Word.NOT_RUN
        findings.append(Finding(claim, "the same source" if kept else "–", cell.printed, kept or "–", word))
    return findings
