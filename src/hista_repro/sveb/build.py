"""Making the benchmark: problems -> rollouts -> states -> reference values (section 4.1 of the paper).

Tables are gathered one after the other, each from units of about one sampling batch. A unit's random numbers depend on its name and
on the seed alone, so it does not matter which units an earlier run finished, nor who samples them.
"""

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
from transformers import AutoConfig

from hista_repro.distributed import Hire, Workers, hire_here
from hista_repro.errors import Refused, WorkFailed
from hista_repro.estimators.milestones import milestones
from hista_repro.files import claim_folder, sha256_of, write_json
from hista_repro.manifests import is_done, manifest_of_same
from hista_repro.models import resolve_model
from hista_repro.problems.grading import Outcome, isolation_of
from hista_repro.problems.problem import Problem, digest_of
from hista_repro.problems.sources import load_problems
from hista_repro.progress import announce, progress
from hista_repro.provenance import history
from hista_repro.sandbox import LIBRARIES, Isolation
from hista_repro.sveb.config import BuildConfig
from hista_repro.sveb.hidden_store import hidden_path, most_bytes, refuse_without_room, write_hidden
from hista_repro.sveb.records import Row, gather, in_order
from hista_repro.sveb.sampler import Sampler, StateTokens
from hista_repro.sveb.states import cut_states


def build(config: BuildConfig, folder: Path, hire: Hire = hire_here) -> dict[str, Any]:
    """Build the benchmark that `config` asks for in `folder`, going on where an earlier build of the same was stopped.

    Sampling is done by workers that `hire` gives, here or on a cluster; the files are the same. A finished build that lacks hidden states
    which `config` asks it to keep is given these, and is otherwise left as it is. Returns the manifest. Raises `Refused`,
    before anything is written, for a request that cannot be met, for a folder that holds something else, and for one that holds a build
    with another configuration, naming the fields that differ.
    """
    folder = Path(folder)
    problems = load_problems(config.problems, domain=config.domain, limit=config.limit, seed=config.seed)
    identity = {
        "config": config.to_dict(),
        "model_sha256": sha256_of(resolve_model(config.model)),
        "problems_sha256": digest_of(problems),
    }
    look = partial(_begun, folder, config, identity, problems)
    manifest, isolation = look()
    if _is_complete(folder, config, manifest):
        return manifest
    with hire(partial(Sampler, config, problems), len(problems)) as workers:
        builder = _Builder(config, problems, workers)
        needed = builder.most_hidden_bytes()
        refuse_without_room(folder, needed)
        with claim_folder(folder):
            manifest, isolation = look()  # another start may have come first while workers were hired
            if _is_complete(folder, config, manifest):
                return manifest
            for leftover in folder.rglob(".*.tmp"):
                leftover.unlink()
            kept_in = {} if is_done(manifest) else {"isolation": isolation, "libraries": LIBRARIES if isolation else None}
            started = {**(manifest or {}), **identity, **kept_in, "most_hidden_bytes": needed, **history(manifest)}
            if needed:
                announce(f"hidden states will take {needed / 1e9:.3g} GB of disk at most")
            write_json(folder / "manifest.json", {"status": "running", **started})
            counts = builder.run(folder)
            shutil.rmtree(folder / "parts", ignore_errors=True)
            manifest = {**started, "status": "done", **counts}
            write_json(folder / "manifest.json", manifest)
            return manifest


class _Builder:
    """The stages, with what they share: the workers, and the problem and prompt of each problem id."""

    def __init__(self, config: BuildConfig, problems: Sequence[Problem], workers: Workers) -> None:
        self.config = config
        self.workers = workers
        self.problems = {problem.id: problem for problem in problems}
        self.prompts: dict[str, tuple[str, tuple[int, ...]]] = dict(workers.map("prompts", {0: ()}))[0]

    def most_hidden_bytes(self) -> int:
        """The room that hidden states may take."""
        if not self.config.keep_hidden:
            return 0
        depth = AutoConfig.from_pretrained(resolve_model(self.config.model), local_files_only=True).get_text_config().hidden_size
        lengths = [len(token_ids) for _, token_ids in self.prompts.values()]
        return most_bytes(lengths, self.config.group_size, self.config.max_tokens, depth, tables=1 + self.config.independent_pool)

    def run(self, folder: Path) -> dict[str, Any]:
        """Gather the tables; what the manifest says of them."""
        config = self.config
        screening = self._roll_out(folder, "screening", list(self.problems), config.screen, "screening problems")
        problems = gather(folder, "problems", [(screening,)], in_order(self._judge))
        kept = problems[problems.kept]
        if kept.empty:
            raise WorkFailed(
                f"none of {len(problems)} problems has an accuracy between {config.min_accuracy} and {config.max_accuracy} "
                f"(lowest {problems.correct.min()}/{config.screen}, highest {problems.correct.max()}/{config.screen}) "
                f"and rollouts with {config.min_new_numbers} or more new numbers; "
                "choose other problems, another model or temperature, in another folder"
            )
        rollouts = self._roll_out(folder, "rollouts", list(kept.problem_id), config.group_size, "sampling rollouts")
        tables = {"rollouts": rollouts}
        if config.independent_pool:
            tables["pool"] = self._roll_out(folder, "pool", list(kept.problem_id), config.group_size, "sampling the pool")
        for name, table in tables.items() if config.keep_hidden else ():
            self._keep_hidden(folder, name, table)
        states = gather(folder, "states", [(rollouts, screening)], in_order(self._cut))
        if states.empty:
            raise WorkFailed(
                f"no rollout reaches its first cut, token {config.cut_every or 1}; choose a smaller cut-every in another folder"
            )
        each = config.references + config.draws
        units = [(part,) for part in self._batches(_tokens_of(states, rollouts), each)]
        make = partial(self.workers.map, "continue_from")
        with progress(len(states) * each, "sampling references", unit="completions") as bar:
            references = gather(folder, "references", units, make, lambda rows: bar.update(rows * each))
        return _summary(config, problems, rollouts, references)

    def _roll_out(self, folder: Path, stage: str, names: list[str], count: int, what: str) -> pd.DataFrame:
        """The table `stage`: `count` rollouts of each of the problems called `names`."""
        units = [(stage, count, part) for part in self._batches(names, count)]
        with progress(len(names) * count, what, unit="completions") as bar:
            return gather(folder, stage, units, partial(self.workers.map, "roll_out"), bar.update)

    def _keep_hidden(self, folder: Path, stage: str, rollouts: pd.DataFrame) -> None:
        """The hidden states of the table `stage`; files that an earlier run left are taken as they are."""
        groups = [(name, [ids.tolist() for ids in group.token_ids]) for name, group in rollouts.groupby("problem_id", sort=False)]
        paths = [hidden_path(folder, stage, number) for number in range(len(groups))]
        missing = {number: group for number, group in enumerate(groups) if not paths[number].exists()}
        with progress(len(missing), "keeping hidden states", unit="problems") as bar:
            for number, rows_R_D in self.workers.map("hidden_rows", missing):
                write_hidden(paths[number], rows_R_D)
                bar.update(1)

    def _batches(self, items: list, completions_each: int) -> list[list]:
        """`items` in parts of about one sampling batch."""
        size = max(1, self.config.batch_tokens // (self.config.max_tokens * completions_each))
        return [items[start : start + size] for start in range(0, len(items), size)]

    def _judge(self, screening: pd.DataFrame) -> list[Row]:
        """Which problems are kept, by rollouts of their own: those of the group would be selected by their rewards."""
        rows = []
        for name, group in screening.groupby("problem_id", sort=False):
            problem = self.problems[name]
            text, token_ids = self.prompts[name]
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
                    "prompt": text,
                    "prompt_token_ids": token_ids,
                    "screened": len(group),
                    "correct": int(group.reward.sum()),
                    "median_tokens": median(map(len, group.token_ids)),
                    "new_numbers": new_numbers,
                    "kept": bool(in_range and new_numbers >= self.config.min_new_numbers),
                }
            )
        return rows

    def _cut(self, rollouts: pd.DataFrame, screening: pd.DataFrame) -> list[Row]:
        longest = screening.token_ids.map(len).groupby(screening.problem_id).max()
        rows = []
        for name, group in rollouts.groupby("problem_id", sort=False):
            lengths = [len(tokens) for tokens in group.token_ids]
            design = {"every": self.config.cut_every, "longest": longest[name]}
            for sample, position in cut_states(name, lengths, self.config.states, self.config.seed, **design):
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


def _new_numbers(question: str, text: str) -> int:
    """How many distinct numbers `text` holds that the question does not."""
    return len({number.value for number in milestones(text)} - {number.value for number in milestones(question)})


def _tokens_of(states: pd.DataFrame, rollouts: pd.DataFrame) -> list[StateTokens]:
    tokens = rollouts.set_index(["problem_id", "sample"]).token_ids
    written = [tokens[row.problem_id, row.sample][: row.token_index].tolist() for row in states.itertuples()]
    return [StateTokens(row.state_id, row.problem_id, tuple(ids)) for row, ids in zip(states.itertuples(), written, strict=True)]


def _completed(settings: dict[str, Any]) -> dict[str, Any]:
    """With those that earlier source did not have."""
    return BuildConfig.from_dict(settings).to_dict()


def _begun(
    folder: Path, config: BuildConfig, identity: dict[str, Any], problems: Sequence[Problem]
) -> tuple[dict[str, Any] | None, Isolation | None]:
    """The manifest of the build in `folder`, None where none was begun, and what stands between the machine and its programs.

    Raises `Refused` as `build` does.
    """
    # other problems follow from another seed or limit
    manifest = manifest_of_same(folder, identity, "a build", complete=_completed, apart_from={"keep_hidden"}, follow={"problems_sha256"})
    if is_done(manifest):
        return manifest, manifest["isolation"]  # no program is left to run
    isolation = isolation_of(problems)
    if manifest is not None and manifest["isolation"] != isolation:
        raise Refused(f"the programs in {folder} ran under {manifest['isolation']}, not {isolation} as here; choose another folder")
    return manifest, isolation


def _is_complete(folder: Path, config: BuildConfig, manifest: dict[str, Any] | None) -> bool:
    """Whether nothing is left to do: the build is done, and has the hidden states that are to be kept."""
    if not is_done(manifest):
        return False
    tables = ("rollouts", "pool") if config.independent_pool else ("rollouts",)
    paths = (hidden_path(folder, table, number) for table in tables for number in range(manifest["counts"]["kept"]))
    return not config.keep_hidden or all(path.exists() for path in paths)


def _summary(config: BuildConfig, problems: pd.DataFrame, rollouts: pd.DataFrame, references: pd.DataFrame) -> dict[str, Any]:
    kept = problems[problems.kept]
    accuracy = problems.correct / problems.screened
    truncated = rollouts.finish_reason == "length"
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
            "rollouts_truncated": int(truncated.sum()),
            "rollouts_truncated_correct": int(rollouts.reward[truncated].sum()),
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
