"""One evaluation: a model, some benchmarks, and a folder with every answer, in which a run that was stopped goes on."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hista_repro.benchmarks.asking import Asking
from hista_repro.benchmarks.config import EvaluationConfig
from hista_repro.benchmarks.questions import load_questions
from hista_repro.benchmarks.samples import append_samples, kept_samples, samples_path, write_questions
from hista_repro.benchmarks.table import get_benchmark
from hista_repro.files import claim_folder, sha256_of, write_json
from hista_repro.manifests import is_done, manifest_of_same
from hista_repro.models import resolve_model
from hista_repro.problems.grading import isolation_of
from hista_repro.problems.grading.model_verifier import ModelVerifier
from hista_repro.problems.problem import Problem, digest_of
from hista_repro.progress import progress
from hista_repro.provenance import history
from hista_repro.rollouts.engines import make_engine
from hista_repro.sandbox import LIBRARIES

Questions = Mapping[str, Sequence[Problem]]
"""Benchmark -> its questions."""


def evaluate(config: EvaluationConfig, folder: Path) -> dict[str, Any]:
    """Ask the model of `config` its benchmarks, going on where an earlier evaluation of the same in `folder` was stopped.

    Returns the manifest. Raises `Refused`, before anything is written, for a request that cannot be met, for a folder that another process
    holds or that holds something else, and for one with an evaluation of other settings, naming those that differ.
    """
    folder = Path(folder)
    questions = questions_of(config)
    identity = identity_of(config, questions)
    # other questions follow from another limit or benchmark
    look = partial(manifest_of_same, folder, identity, "an evaluation", follow={"questions"})
    if is_done(manifest := look()):
        return manifest
    engine = make_engine(config.engine, config.model, dtype=config.dtype, batch_tokens=config.batch_tokens)
    verifier = ModelVerifier(config.verifier) if config.verifier else None
    askings = []
    for name, asked in questions.items():
        benchmark = get_benchmark(name)
        samples, temperature, max_tokens = config.asking(benchmark)
        askings.append(Asking(benchmark, asked, engine, samples, temperature, max_tokens, config.batch_tokens, config.seed, verifier))
    with claim_folder(folder):
        if is_done(manifest := look()):  # another start may have come first while the model was loaded
            return manifest
        for leftover in folder.rglob(".*.tmp"):
            leftover.unlink()
        libraries = LIBRARIES if identity["isolation"] else None
        manifest = {**identity, "libraries": libraries, "model": config.model, "status": "running", **history(manifest)}
        write_json(folder / "manifest.json", manifest)
        for asking in askings:
            write_questions(folder, asking.benchmark.name, asking.questions)
            _ask(asking, samples_path(folder, asking.benchmark.name))
        manifest = {**manifest, "status": "done"}
        write_json(folder / "manifest.json", manifest)
        return manifest


def questions_of(config: EvaluationConfig) -> Questions:
    """The questions that `config` asks; raises as `load_questions` does."""
    return {name: load_questions(get_benchmark(name), config.folder_of_data, config.limit) for name in config.benchmarks}


def identity_of(config: EvaluationConfig, questions: Questions) -> dict[str, Any]:
    """What tells one evaluation from another: settings, weights, questions, how each is asked, and what programs are kept in."""
    asked = {}
    for name, problems in questions.items():
        samples, temperature, max_tokens = config.asking(get_benchmark(name))
        asked[name] = {
            "questions": len(problems),
            "sha256": digest_of(problems),
            "samples": samples,
            "temperature": temperature,
            "max_tokens": max_tokens,
        }
    return {
        "config": config.to_dict(),
        "model_sha256": sha256_of(resolve_model(config.model)),
        "questions": asked,
        "isolation": isolation_of(problem for problems in questions.values() for problem in problems),
    }


def _ask(asking: Asking, path: Path) -> None:
    done = {(sample["problem_id"], sample["sample"]) for sample in kept_samples(path)}
    units = asking.units()
    with progress(sum(map(len, units)), f"asking {asking.benchmark.name}", unit="answers", initial=len(done)) as bar:
        for unit in units:
            if done.issuperset(unit):
                continue
            missing = [sample for sample in asking.answers(unit) if (sample["problem_id"], sample["sample"]) not in done]
            append_samples(path, missing)
            bar.update(len(missing))
