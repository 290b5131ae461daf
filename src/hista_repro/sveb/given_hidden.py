"""Hidden states of rollouts that were made without them, as by a build that was recorded without: read again, and kept."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from transformers import AutoConfig

from hista_repro.distributed import Hire, Workers
from hista_repro.files import claim_folder, write_json
from hista_repro.models import resolve_model
from hista_repro.progress import progress
from hista_repro.provenance import history
from hista_repro.sveb.config import BuildConfig
from hista_repro.sveb.hidden_store import BYTES, hidden_path, refuse_without_room, write_hidden
from hista_repro.sveb.hiring import hire_for
from hista_repro.sveb.records import read_table
from hista_repro.sveb.sampler import HiddenReader
from hista_repro.sveb.units import of_rollouts


def give_hidden(config: BuildConfig, folder: Path, manifest: dict[str, Any], identity: dict[str, Any], hire: Hire | None) -> dict[str, Any]:
    """The manifest of the finished build in `folder`, after it was given the hidden states that it lacks and `config` asks for.

    Args:
        config: with the size of batches that the build was begun with.
        folder: where it lies.
        manifest: its manifest.
        identity: what of the manifest follows from what is asked for now.
        hire: gives the workers that read (default: `hire_for` this machine).

    Raises:
        Refused: where the disk lacks room.
    """
    missing = missing_hidden(config, folder) if config.keep_hidden else {}
    if not missing:
        return manifest
    needed = BYTES * depth_of(config) * sum(len(prompt) + sum(map(len, completions)) for prompt, _, completions in missing.values())
    refuse_without_room(folder, needed)
    with (hire or hire_for(config))(partial(HiddenReader, config), len(missing)) as workers, claim_folder(folder):
        kept = {**manifest, **identity, "batch_tokens": config.batch_tokens, "most_hidden_bytes": needed, **history(manifest)}
        keep(missing, workers)
        write_json(folder / "manifest.json", kept)
        return kept


def missing_hidden(config: BuildConfig, folder: Path) -> dict[Path, tuple[list[int], int, list[list[int]]]]:
    """The files of hidden states that a build lacks, and what is in each: the prompt, the first rollout's number, the completions."""
    problems = read_table(folder, "problems")
    prompts = {row.problem_id: row.prompt_token_ids.tolist() for row in problems[problems.kept].itertuples()}
    units = of_rollouts(config, list(prompts), {name: len(ids) for name, ids in prompts.items()}, config.group_size)
    number_of = {name: number for number, name in enumerate(prompts)}
    missing = {}
    for table in ("rollouts", "pool") if config.independent_pool else ("rollouts",):
        completions = {name: [ids.tolist() for ids in group] for name, group in read_table(folder, table).groupby("problem_id").token_ids}
        for unit in units:
            for name in unit.names:
                path = hidden_path(folder, table, number_of[name], unit.first)
                if not path.exists():
                    missing[path] = (prompts[name], unit.first, completions[name][unit.first : unit.first + unit.count])
    return missing


def keep(missing: Mapping[Path, tuple[list[int], int, list[list[int]]]], workers: Workers) -> None:
    with progress(len(missing), "keeping hidden states", unit="files") as bar:
        for path, rows_R_D in workers.map("hidden_rows", missing):
            write_hidden(path, rows_R_D)
            bar.update(1)


def depth_of(config: BuildConfig) -> int:
    """D of the model."""
    return AutoConfig.from_pretrained(resolve_model(config.model), local_files_only=True).get_text_config().hidden_size
