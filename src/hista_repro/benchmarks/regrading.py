"""Stored answers graded again: by the graders as they are now, and by plain means for a second opinion."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import shorten

import pandas as pd

from hista_repro.benchmarks.asking import Sample
from hista_repro.benchmarks.plain_grader import second_opinion
from hista_repro.benchmarks.samples import kept_samples, read_manifest, read_questions, samples_path, write_samples
from hista_repro.files import claim_folder, write_json
from hista_repro.problems.grading import Outcome, extract_answer, grade_all
from hista_repro.problems.grading.model_verifier import ModelVerifier
from hista_repro.problems.problem import Problem

_WIDEST = 60
"""Characters of a cell that are shown."""
CHANGES = ["benchmark", "problem_id", "sample", "answer", "before", "now"]
DISAGREEMENTS = ["benchmark", "problem_id", "sample", "gold", "answer", "graded", "second_opinion"]


def regrade(folder: Path, verifier: str | None = None) -> pd.DataFrame:
    """Grade the stored answers of a finished evaluation again, without asking the model; the answers whose outcome changed (`CHANGES`).

    The evaluation's own verifier judges, or `verifier` ("": none), which then takes its place in the manifest: the outcomes of a folder
    are all by the verifier that it names. The files keep the new outcomes once every answer has one. Raises `Refused` where `folder` holds
    no finished evaluation, and what `grade_all` raises.
    """
    folder = Path(folder)
    read_manifest(folder)  # to claim a folder is to make it
    changes = []
    with claim_folder(folder):
        manifest = read_manifest(folder)
        settings = manifest["config"] | ({} if verifier is None else {"verifier": verifier or None})
        judge = ModelVerifier(settings["verifier"]) if settings["verifier"] else None
        regraded = [(name, samples, _graded(samples, question_of, judge)) for name, question_of, samples in _stored(folder)]
        for name, samples, graded in regraded:
            if graded != samples:
                write_samples(samples_path(folder, name), graded)
            for sample, now in zip(samples, graded, strict=True):
                if sample["outcome"] != now["outcome"]:
                    row = (name, now["problem_id"], now["sample"], now["answer"], sample["outcome"], now["outcome"])
                    changes.append(dict(zip(CHANGES, row, strict=True)))
        if settings != manifest["config"]:
            write_json(folder / "manifest.json", {**manifest, "config": settings})
    return pd.DataFrame(changes, columns=CHANGES)


def readable_changes(changes: pd.DataFrame, most: int = 50) -> str:
    """What `regrade` gives, for people: how many outcomes changed, from what to what, and the first `most` of them."""
    lines = [f"{len(changes)} answers have another outcome now"]
    if len(changes):
        kinds = (changes["before"] + " -> " + changes["now"]).value_counts()
        lines[0] += f": {', '.join(f'{count} {kind}' for kind, count in kinds.items())}"
        shown = changes.head(most).fillna("-").map(lambda cell: shorten(str(cell), _WIDEST, placeholder="..."))
        lines.append(shown.to_string(index=False))
    if len(changes) > most:
        lines.append(f"and {len(changes) - most} more")
    return "\n".join(lines)


def _graded(samples: list[Sample], question_of: dict[str, Problem], judge: ModelVerifier | None) -> list[Sample]:
    """The samples with the answers and outcomes that they have now."""
    outcomes = grade_all([(question_of[sample["problem_id"]], sample["text"]) for sample in samples], judge)
    return [
        {**sample, "answer": extract_answer(question_of[sample["problem_id"]], sample["text"]), "outcome": outcome.value}
        for sample, outcome in zip(samples, outcomes, strict=True)
    ]


def disagreements(folder: Path) -> pd.DataFrame:
    """The stored answers on which a second opinion differs from the grader, or cannot confirm that they are right (`DISAGREEMENTS`).

    `second_opinion` is "right", "wrong" or "cannot tell" (see `plain_grader`). Raises `Refused` as `regrade` does.
    """
    found = []
    for name, question_of, samples in _stored(Path(folder)):
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            opinions = pool.map(lambda s, q=question_of: second_opinion(q[s["problem_id"]], s["text"], s["answer"]), samples)
            for sample, opinion in zip(samples, opinions, strict=True):
                if bool(opinion) != (sample["outcome"] == Outcome.CORRECT):
                    gold = question_of[sample["problem_id"]].answer
                    words = {True: "right", False: "wrong", None: "cannot tell"}[opinion]
                    row = (name, sample["problem_id"], sample["sample"], gold, sample["answer"], sample["outcome"], words)
                    found.append(dict(zip(DISAGREEMENTS, row, strict=True)))
    return pd.DataFrame(found, columns=DISAGREEMENTS)


def _stored(folder: Path) -> Iterator[tuple[str, dict[str, Problem], list[Sample]]]:
    """Of each benchmark of a finished evaluation: its name, its questions, its samples."""
    for name in read_manifest(folder)["config"]["benchmarks"]:
        yield name, read_questions(folder, name), kept_samples(samples_path(folder, name))
