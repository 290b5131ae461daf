"""Making the benchmark: problems -> rollouts -> states -> reference values (section 4.1 of the paper).

Tables are gathered one after the other, each from units of about one sampling batch. A unit's random numbers depend on its name and
on the seed alone, so it does not matter which units an earlier run finished, nor who samples them.
"""

import hashlib
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import torch

from hista_repro.errors import Refused, WorkFailed
from hista_repro.estimators.milestones import milestones
from hista_repro.files import claim_folder, read_json, sha256_of, write_json
from hista_repro.models import resolve_model
from hista_repro.problems.grading import Outcome, grade_all, isolation_of
from hista_repro.problems.model_verifier import ModelVerifier
from hista_repro.problems.problem import Problem
from hista_repro.problems.prompting import render
from hista_repro.problems.sources import load_problems
from hista_repro.progress import progress
from hista_repro.provenance import describe
from hista_repro.rollouts.engine import Completion, Engine, Request
from hista_repro.seeding import derive_seed
from hista_repro.sveb.config import BuildConfig
from hista_repro.sveb.records import gather
from hista_repro.sveb.states import cut_states

Row = dict[str, Any]


def build(config: BuildConfig, folder: Path) -> dict[str, Any]:
    """Build the benchmark that `config` asks for in `folder`, going on where an earlier build of the same was stopped.

    Returns the manifest. Raises `Refused`, before anything is written, for a request that cannot be met, for a folder that holds
    something else, and for one that holds a build with another configuration, naming the fields that differ.
    """
    folder = Path(folder)
    problems = load_problems(config.problems, domain=config.domain, limit=config.limit, seed=config.seed)
    identity = {
        "config": config.to_dict(),
        "model_sha256": sha256_of(resolve_model(config.model)),
        "problems_sha256": _digest(problems),
    }
    manifest = _existing(folder, identity)
    if manifest is not None and manifest["status"] == "done":
        return manifest
    isolation = isolation_of(problems)
    if manifest is not None and manifest["isolation"] != isolation:
        raise Refused(f"the programs in {folder} ran under {manifest['isolation']}, not {isolation} as here; choose another folder")
    builder = _Builder(config, problems)
    with claim_folder(folder):
        for leftover in folder.rglob(".*.tmp"):
            leftover.unlink()
        restarts = 0 if manifest is None else manifest["restarts"] + 1
        started = {**identity, "isolation": isolation, "status": "running", "provenance": describe(), "restarts": restarts}
        write_json(folder / "manifest.json", started)
        counts = builder.run(folder)
        shutil.rmtree(folder / "parts", ignore_errors=True)
        manifest = {**started, "status": "done", **counts}
        write_json(folder / "manifest.json", manifest)
        return manifest


class _Builder:
    """The stages, with what they share: the engine, and the problem and prompt of each problem id."""

    def __init__(self, config: BuildConfig, problems: Sequence[Problem]) -> None:
        self.config = config
        self.engine: Engine = make_engine(config)
        self.verifier = ModelVerifier(config.verifier) if config.verifier else None
        self.problems = {problem.id: problem for problem in problems}
        self.prompts = {problem.id: render(problem, self.engine.tokenizer) for problem in problems}
        self.encoded = {name: self.engine.encode(prompt.text) for name, prompt in self.prompts.items()}
        stops = {prompt.stop for prompt in self.prompts.values()}
        if len(stops) > 1:
            raise Refused(f"{config.problems} mixes problems whose prompts end differently ({sorted(stops)}); build them apart")
        self.stop = stops.pop()
        longest = max(map(len, self.encoded.values()))
        if self.engine.context is not None and longest + config.max_tokens > self.engine.context:
            raise Refused(
                f"max-tokens {config.max_tokens} and the longest prompt ({longest} tokens) exceed the model's context of "
                f"{self.engine.context} tokens"
            )

    def run(self, folder: Path) -> dict[str, Any]:
        """Gather the tables; what the manifest says of them."""
        config = self.config
        screen = partial(self._roll_out, "screening", config.screen)
        screening = self._gather(folder, "screening", list(self.problems), config.screen, screen, "screening problems")
        problems = gather(folder, "problems", [screening], self._judge)
        kept = problems[problems.kept]
        if kept.empty:
            raise WorkFailed(
                f"none of {len(problems)} problems has an accuracy between {config.min_accuracy} and {config.max_accuracy} "
                f"(lowest {problems.correct.min()}/{config.screen}, highest {problems.correct.max()}/{config.screen}) "
                f"and rollouts with {config.min_new_numbers} or more new numbers; "
                "choose other problems, another model or temperature, in another folder"
            )
        roll_out = partial(self._roll_out, "rollouts", config.group_size)
        rollouts = self._gather(folder, "rollouts", list(kept.problem_id), config.group_size, roll_out, "sampling rollouts")
        states = gather(folder, "states", [rollouts], self._cut)
        each = config.references + config.draws
        references = self._gather(
            folder, "references", _tokens_of(states, rollouts), each, self._continue, "sampling references", rows_per_item=1
        )
        return _summary(config, problems, rollouts, references)

    def _gather(
        self,
        folder: Path,
        name: str,
        items: list,
        completions_each: int,
        make: Callable[[list], list[Row]],
        what: str,
        *,
        rows_per_item: int | None = None,
    ) -> pd.DataFrame:
        """The table `name`, made in units of about one sampling batch of `items`, each of which takes `completions_each` completions and
        gives as many rows, or `rows_per_item`."""
        size = max(1, self.config.batch_tokens // (self.config.max_tokens * completions_each))
        units = [items[start : start + size] for start in range(0, len(items), size)]
        scale = completions_each // (rows_per_item or completions_each)
        with progress(len(items) * completions_each, what, unit="completions") as bar:
            return gather(folder, name, units, make, lambda rows: bar.update(rows * scale))

    def _sample(self, stage: str, names: Sequence[str], requests: Sequence[Request]) -> list[Completion]:
        seed = derive_seed(self.config.seed, stage, names[0])
        return self.engine.sample(requests, temperature=self.config.temperature, stop=self.stop, seed=seed)

    def _roll_out(self, stage: str, count: int, names: list[str]) -> list[Row]:
        requests = [Request(self.encoded[name], self.config.max_tokens) for name in names for _ in range(count)]
        completions = self._sample(stage, names, requests)
        asked = [names[number // count] for number in range(len(requests))]
        rows = []
        for number, (name, completion, outcome) in enumerate(zip(asked, completions, self._grade(asked, completions), strict=True)):
            rows.append(
                {
                    "problem_id": name,
                    "sample": number % count,
                    "token_ids": completion.token_ids,
                    "token_ends": completion.token_ends,
                    "text": completion.text,
                    "outcome": outcome.value,
                    "reward": float(outcome is Outcome.CORRECT),
                    "finish_reason": completion.finish_reason,
                }
            )
        return rows

    def _grade(self, names: Sequence[str], completions: Sequence[Completion]) -> list[Outcome]:
        return grade_all([(self.problems[name], c.text) for name, c in zip(names, completions, strict=True)], self.verifier)

    def _judge(self, screening: pd.DataFrame) -> list[Row]:
        """Which problems are kept, by rollouts of their own: those of the group would be selected by their rewards."""
        rows = []
        for name, group in screening.groupby("problem_id", sort=False):
            problem = self.problems[name]
            accuracy = group.reward.mean()
            new_numbers = median(_new_numbers(problem.problem, text) for text in group.text)
            in_range = self.config.min_accuracy <= accuracy <= self.config.max_accuracy
            rows.append(
                {
                    "problem_id": name,
                    "domain": problem.domain,
                    "source": problem.source,
                    "problem": problem.problem,
                    "answer": problem.answer,
                    "prompt": self.prompts[name].text,
                    "prompt_token_ids": self.encoded[name],
                    "screened": len(group),
                    "correct": int(group.reward.sum()),
                    "median_tokens": median(map(len, group.token_ids)),
                    "new_numbers": new_numbers,
                    "kept": bool(in_range and new_numbers >= self.config.min_new_numbers),
                }
            )
        return rows

    def _cut(self, rollouts: pd.DataFrame) -> list[Row]:
        rows = []
        for name, group in rollouts.groupby("problem_id", sort=False):
            lengths = [len(tokens) for tokens in group.token_ids]
            for sample, position in cut_states(name, lengths, self.config.states, self.config.seed):
                rows.append(
                    {
                        "state_id": f"{name}/{sample}/{position}",
                        "problem_id": name,
                        "domain": self.problems[name].domain,
                        "sample": sample,
                        "token_index": position,
                        "fraction": position / lengths[sample],
                    }
                )
        return rows

    def _continue(self, states: list[tuple[str, str, tuple[int, ...]]]) -> list[Row]:
        config = self.config
        each = config.references + config.draws
        requests = [Request(self.encoded[name], config.max_tokens, written) for _, name, written in states for _ in range(each)]
        completions = self._sample("references", [state_id for state_id, _, _ in states], requests)
        graded = self._grade([name for _, name, _ in states for _ in range(each)], completions)
        rows = []
        for number, (state_id, _, written) in enumerate(states):
            mine = completions[number * each : (number + 1) * each]
            outcomes = graded[number * each : (number + 1) * each]
            rewards = [float(outcome is Outcome.CORRECT) for outcome in outcomes]
            rows.append(
                {
                    "state_id": state_id,
                    "n": config.references,
                    "successes": int(sum(rewards[: config.references])),
                    "rewards": rewards[: config.references],
                    "draws": rewards[config.references :],
                    "unparsed": outcomes.count(Outcome.UNPARSED),
                    "timeouts": outcomes.count(Outcome.TIMEOUT),
                    "truncated": sum(completion.finish_reason == "length" for completion in mine),
                    "tokens": sum(len(completion.token_ids) - len(written) for completion in mine),
                }
            )
        return rows


def _new_numbers(question: str, text: str) -> int:
    """How many distinct numbers `text` holds that the question does not."""
    return len({number.value for number in milestones(text)} - {number.value for number in milestones(question)})


def _tokens_of(states: pd.DataFrame, rollouts: pd.DataFrame) -> list[tuple[str, str, tuple[int, ...]]]:
    """(state id, problem id, completion tokens of the state) of every state."""
    tokens = rollouts.set_index(["problem_id", "sample"]).token_ids
    written = [tokens[row.problem_id, row.sample][: row.token_index].tolist() for row in states.itertuples()]
    return [(row.state_id, row.problem_id, tuple(ids)) for row, ids in zip(states.itertuples(), written, strict=True)]


def make_engine(config: BuildConfig) -> Engine:
    """The engine that `config` names, with its model loaded."""
    if config.engine == "vllm":
        raise Refused("the vllm engine is not available yet; use --engine transformers")
    from hista_repro.rollouts.transformers_engine import TransformersEngine

    return TransformersEngine(config.model, dtype=getattr(torch, config.dtype), batch_tokens=config.batch_tokens)


def _existing(folder: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The manifest of an earlier build of the same in `folder`, if there is one."""
    path = folder / "manifest.json"
    if not path.exists():
        if folder.is_dir() and any(entry.name != ".lock" for entry in folder.iterdir()):
            raise Refused(f"{folder} is not empty and holds no build; choose another folder")
        return None
    manifest = read_json(path)
    before, now = ({**side["config"], **{k: side[k] for k in identity if k != "config"}} for side in (manifest, identity))
    if differing := sorted(name for name in now if before.get(name) != now[name]):
        if len(differing) > 1:
            differing = [name for name in differing if name != "problems_sha256"]  # other problems follow from another seed or limit
        changes = ", ".join(f"{name} (there {before.get(name)!r}, asked {now[name]!r})" for name in differing)
        raise Refused(f"{folder} holds a build with another configuration: {changes}; choose another folder")
    return manifest


def _digest(problems: Sequence[Problem]) -> str:
    return hashlib.sha256(repr(problems).encode()).hexdigest()


def _summary(config: BuildConfig, problems: pd.DataFrame, rollouts: pd.DataFrame, references: pd.DataFrame) -> dict[str, Any]:
    kept = problems[problems.kept]
    accuracy = problems.correct / problems.screened
    too_hard, too_easy = accuracy < config.min_accuracy, accuracy > config.max_accuracy
    return {
        "counts": {
            "problems": len(problems),
            "dropped_too_hard": int(too_hard.sum()),
            "dropped_too_easy": int(too_easy.sum()),
            "dropped_few_numbers": int((~problems.kept & ~too_hard & ~too_easy).sum()),
            "kept": len(kept),
            "rollouts": len(rollouts),
            "rollouts_unparsed": int((rollouts.outcome == Outcome.UNPARSED.value).sum()),
            "rollouts_timeouts": int((rollouts.outcome == Outcome.TIMEOUT.value).sum()),
            "rollouts_truncated": int((rollouts.finish_reason == "length").sum()),
            "states": len(references),
            "references": int(references.n.sum()),
            "continuations_unparsed": int(references.unparsed.sum()),
            "continuations_timeouts": int(references.timeouts.sum()),
            "continuations_truncated": int(references.truncated.sum()),
            "continuation_tokens": int(references.tokens.sum()),
        },
        "accuracy": float(accuracy.mean()),
        "typical_length": max(1, round(float(kept.median_tokens.median()))),
    }
