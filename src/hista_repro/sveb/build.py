"""Making the benchmark: problems -> rollouts -> states -> reference values (section 4.1 of the paper).

Tables are gathered one after the other, each from units of one sampling batch (`units`). A unit's random numbers depend on its name and
on the seed alone, so it does not matter which units an earlier run finished, nor who samples them.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from hista_repro.distributed import Hire, Workers
from hista_repro.errors import Refused, WorkFailed
from hista_repro.estimators.milestones import milestones
from hista_repro.files import claim_folder, sha256_of, write_json
from hista_repro.manifests import is_done, manifest_of_same
from hista_repro.models import resolve_model
from hista_repro.problems.grading import Outcome, isolation_of
from hista_repro.problems.problem import Problem, digest_of
from hista_repro.problems.sources import are_here, load_problems
from hista_repro.progress import SamplingProgress, announce
from hista_repro.provenance import history
from hista_repro.sandbox import LIBRARIES, Isolation
from hista_repro.sveb.config import BuildConfig
from hista_repro.sveb.given_hidden import depth_of, give_hidden, keep, missing_hidden
from hista_repro.sveb.hidden_store import hidden_path, most_bytes, refuse_without_room, write_hidden
from hista_repro.sveb.hiring import hire_for
from hista_repro.sveb.records import Row, gather, in_order
from hista_repro.sveb.sampler import Sampler, StateTokens
from hista_repro.sveb.states import cut_states
from hista_repro.sveb.units import of_rollouts, of_states, sized


def build(config: BuildConfig, folder: Path, hire: Hire | None = None) -> dict[str, Any]:
    """Build the benchmark that `config` asks for in `folder`, going on where an earlier build of the same was stopped.

    Sampling is done by workers that `hire` gives, here or on a cluster (default: `hire_for` this machine); the files are the same. A
    finished build that lacks hidden states which `config` asks it to keep is given these, and is otherwise left as it is; it needs no
    problems, and those of the hub are not asked for.

    Returns:
        The manifest.

    Raises:
        Refused: before anything is written, for a request that cannot be met, and for a folder that holds something else.
        WorkFailed: where no problem is kept, or no rollout reaches its first cut.
    """
    folder = Path(folder)
    identity = {"config": config.to_dict(), "model_sha256": sha256_of(resolve_model(config.model))}
    manifest = _manifest(folder, identity)
    if is_done(manifest) and not are_here(config.problems):
        return give_hidden(_as_begun(config, manifest), folder, manifest, identity, hire)
    problems = load_problems(config.problems, domain=config.domain, limit=config.limit, seed=config.seed)
    identity["problems_sha256"] = digest_of(problems)
    manifest, isolation = _begun(folder, identity, problems)
    if is_done(manifest):
        return give_hidden(_as_begun(config, manifest), folder, manifest, identity, hire)
    config = _as_begun(config, manifest)
    with (hire or hire_for(config))(partial(Sampler, config, problems), len(problems)) as workers:
        builder = _Builder(config, problems, workers)
        needed = builder.most_hidden_bytes()
        refuse_without_room(folder, needed)
        with claim_folder(folder):
            manifest, isolation = _begun(folder, identity, problems)  # another start may have come first while workers were hired
            if is_done(manifest):
                return manifest
            for leftover in folder.rglob(".*.tmp"):
                leftover.unlink()
            started = {
                **{**(manifest or {}), **identity, "isolation": isolation, "libraries": LIBRARIES if isolation else None},
                **{"batch_tokens": config.batch_tokens, "most_hidden_bytes": needed, **history(manifest)},
            }
            if needed:
                announce(f"hidden states will take {needed / 1e9:.3g} GB of disk at most")
            write_json(folder / "manifest.json", {"status": "running", **started})
            counts = builder.run(folder)
            shutil.rmtree(folder / "parts", ignore_errors=True)
            manifest = {**started, "status": "done", **counts}
            write_json(folder / "manifest.json", manifest)
            return manifest


def _as_begun(config: BuildConfig, manifest: dict[str, Any] | None) -> BuildConfig:
    """`config` with the size of batches that a build was begun with, or is to be."""
    begun = (manifest or {}).get("batch_tokens")
    return sized(config) if begun is None else replace(config, batch_tokens=begun)


class _Builder:
    """The stages, with what they share: the workers, and the problem and prompt of each problem id."""

    def __init__(self, config: BuildConfig, problems: Sequence[Problem], workers: Workers) -> None:
        self.config = config
        self.workers = workers
        self.problems = {problem.id: problem for problem in problems}
        self.prompts: dict[str, tuple[str, tuple[int, ...]]] = dict(workers.map("prompts", {0: ()}))[0]
        self.prompt_lengths = {name: len(token_ids) for name, (_, token_ids) in self.prompts.items()}

    def most_hidden_bytes(self) -> int:
        """The room that hidden states may take."""
        if not self.config.keep_hidden:
            return 0
        lengths, tables = list(self.prompt_lengths.values()), 1 + self.config.independent_pool
        return most_bytes(lengths, self.config.group_size, self.config.max_tokens, depth_of(self.config), tables)

    def run(self, folder: Path) -> dict[str, Any]:
        """Gather the tables; what the manifest says of them."""
        config = self.config
        screening = self._screen(folder)
        problems = gather(folder, "problems", [(screening,)], in_order(self._judge))
        kept = problems[problems.kept]
        if kept.empty:
            raise WorkFailed(
                f"none of {len(problems)} problems has an accuracy between {config.min_accuracy} and {config.max_accuracy} "
                f"(lowest {_extreme(problems, 'idxmin')}, highest {_extreme(problems, 'idxmax')}), "
                f"rollouts with {config.min_new_numbers} or more new numbers, and a share of {config.max_truncated} or less cut off; "
                "choose other problems, another model or temperature, in another folder"
            )
        names = list(kept.problem_id)
        rollouts = self._roll_out(folder, "rollouts", names, config.group_size, "sampling rollouts", keep_hidden=config.keep_hidden)
        if config.independent_pool:
            self._roll_out(folder, "pool", names, config.group_size, "sampling the pool", keep_hidden=config.keep_hidden)
        if config.keep_hidden:  # of rollouts that an earlier start made without them
            keep(missing_hidden(config, folder), self.workers)
        states = gather(folder, "states", [(rollouts, screening)], in_order(self._cut))
        if states.empty:
            raise WorkFailed(
                f"no rollout reaches its first cut, token {config.cut_every or 1}; choose a smaller cut-every in another folder"
            )
        each = config.references + config.draws
        asked = _tokens_of(states, rollouts)
        units = [(asked[part],) for part in of_states(config, list(states.problem_id), self.prompt_lengths)]
        with SamplingProgress(len(states) * each, "sampling references") as bar:
            make = partial(self.workers.map, "continue_from", report=bar.report)
            references = gather(folder, "references", units, make, lambda rows, old: bar.add(rows * each, old))
        return _summary(config, problems, rollouts, references)

    def _screen(self, folder: Path) -> pd.DataFrame:
        """The rollouts by which problems are kept, in one stage or in two."""
        config, names, stage = self.config, list(self.problems), "screening"
        if config.screen_first is None:
            return self._roll_out(folder, stage, names, config.screen, "screening problems")
        first = self._roll_out(folder / "parts" / "first", stage, names, config.screen_first, "screening problems")
        left = [name for name, group in first.groupby("problem_id", sort=False) if self._may_be_kept(group)]
        more = {"count": config.screen - config.screen_first, "first": config.screen_first}
        rest = self._roll_out(folder / "parts" / "rest", stage, left, what="screening the rest", **more)
        return gather(folder, stage, [(first, rest)], in_order(self._in_one))

    def _may_be_kept(self, first: pd.DataFrame) -> bool:
        """Whether the first rollouts of a problem leave it within reach."""
        config, accuracy = self.config, first.reward.mean()
        in_reach = (accuracy > 0 or config.min_accuracy == 0) and (accuracy < 1 or config.max_accuracy == 1)
        fits = (first.finish_reason == "length").sum() <= config.max_truncated * config.screen
        return bool(in_reach and fits and self._new_numbers(first) >= config.min_new_numbers)

    def _new_numbers(self, rollouts: pd.DataFrame) -> float:
        """How many distinct numbers the median rollout of one problem holds that the question does not."""
        asked = {number.value for number in milestones(self.problems[rollouts.problem_id.iloc[0]].problem)}
        return median(len({number.value for number in milestones(text)} - asked) for text in rollouts.text)

    def _in_one(self, first: pd.DataFrame, rest: pd.DataFrame) -> list[Row]:
        place = {name: number for number, name in enumerate(self.problems)}
        both = pd.concat([first, rest])
        return both.iloc[np.lexsort([both["sample"], both.problem_id.map(place)])].to_dict("records")

    def _roll_out(
        self, folder: Path, stage: str, names: list[str], count: int, what: str, first: int = 0, keep_hidden: bool = False
    ) -> pd.DataFrame:
        """The table `stage`: `count` rollouts, from number `first` on, of each of the problems called `names`."""
        units = of_rollouts(self.config, names, self.prompt_lengths, count, first)
        number_of = {name: number for number, name in enumerate(names)}

        def make(missing: Mapping[int, tuple]) -> Iterator[tuple[int, list[Row]]]:
            for number, (rows, hidden) in self.workers.map("roll_out", missing, bar.report):
                for name, rows_R_D in hidden.items():
                    write_hidden(hidden_path(folder, stage, number_of[name], units[number].first), rows_R_D)
                yield number, rows

        with SamplingProgress(len(names) * count, what) as bar:
            return gather(folder, stage, [(stage, unit, keep_hidden) for unit in units], make, bar.add)

    def _judge(self, screening: pd.DataFrame) -> list[Row]:
        """Which problems are kept, by rollouts of their own: those of the group would be selected by their rewards."""
        rows = []
        for name, group in screening.groupby("problem_id", sort=False):
            problem = self.problems[name]
            text, token_ids = self.prompts[name]
            accuracy = group.reward.mean()
            new_numbers = self._new_numbers(group)
            truncated = int((group.finish_reason == "length").sum())
            in_range = self.config.min_accuracy <= accuracy <= self.config.max_accuracy
            fits = truncated <= self.config.max_truncated * len(group)
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
                    "truncated": truncated,
                    "median_tokens": median(map(len, group.token_ids)),
                    "new_numbers": new_numbers,
                    "kept": bool(in_range and fits and new_numbers >= self.config.min_new_numbers),
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


def _tokens_of(states: pd.DataFrame, rollouts: pd.DataFrame) -> list[StateTokens]:
    tokens = rollouts.set_index(["problem_id", "sample"]).token_ids
    written = [tokens[row.problem_id, row.sample][: row.token_index].tolist() for row in states.itertuples()]
    return [StateTokens(row.state_id, row.problem_id, tuple(ids)) for row, ids in zip(states.itertuples(), written, strict=True)]


def _completed(settings: dict[str, Any]) -> dict[str, Any]:
    """With those that earlier source did not have."""
    return BuildConfig.from_dict(settings).identity()


def _manifest(folder: Path, identity: dict[str, Any]) -> dict[str, Any] | None:
    """The manifest of the build in `folder`, None where none was begun; raises `Refused` as `build` does."""
    # other problems follow from another seed or limit
    return manifest_of_same(folder, identity, "a build", complete=_completed, apart_from={"keep_hidden"}, follow={"problems_sha256"})


def _begun(folder: Path, identity: dict[str, Any], problems: Sequence[Problem]) -> tuple[dict[str, Any] | None, Isolation | None]:
    """`_manifest`, and what stands between the machine and the build's programs."""
    manifest = _manifest(folder, identity)
    if is_done(manifest):
        return manifest, manifest["isolation"]  # no program is left to run
    isolation = isolation_of(problems)
    if manifest is not None and manifest["isolation"] != isolation:
        raise Refused(f"the programs in {folder} ran under {manifest['isolation']}, not {isolation} as here; choose another folder")
    return manifest, isolation


def _extreme(problems: pd.DataFrame, which: str) -> str:
    """The accuracy of the problem with the least or most, as a fraction."""
    row = problems.loc[getattr(problems.correct / problems.screened, which)()]
    return f"{row.correct}/{row.screened}"


def _summary(config: BuildConfig, problems: pd.DataFrame, rollouts: pd.DataFrame, references: pd.DataFrame) -> dict[str, Any]:
    kept = problems[problems.kept]
    accuracy = problems.correct / problems.screened
    truncated = rollouts.finish_reason == "length"
    too_hard, too_easy = accuracy < config.min_accuracy, accuracy > config.max_accuracy
    too_long = problems.truncated > config.max_truncated * problems.screened
    in_range = ~problems.kept & ~too_hard & ~too_easy
    return {
        "counts": {
            "problems": len(problems),
            "dropped_too_hard": int(too_hard.sum()),
            "dropped_too_easy": int(too_easy.sum()),
            "dropped_truncated": int((in_range & too_long).sum()),
            "dropped_few_numbers": int((in_range & ~too_long).sum()),
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
