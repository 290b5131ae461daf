"""From a request to tasks: everything that can be refused is refused here, before anything is written."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hista_repro.artifacts.registry import Artifact
from hista_repro.errors import Refused, did_you_mean
from hista_repro.runner.keys import ContentKey, content_key
from hista_repro.runner.notebooks import read_notebook
from hista_repro.runner.parameters import check_values, parse_overrides, read_parameters
from hista_repro.runner.profiles import Profile


@dataclass(frozen=True)
class Task:
    """One artifact, to be made with certain parameters."""

    artifact: Artifact
    notebook: Path
    parameters: dict[str, Any]
    """Every parameter of the notebook."""
    changed: dict[str, Any]
    """Those that are not at the notebook's default, which papermill injects."""
    key: ContentKey


def choose(ids: Sequence[str], profile: Profile, artifacts: Mapping[str, Artifact]) -> list[Artifact]:
    """The artifacts with these ids, in this order; without ids, all that the profile has sizes for, in the profile's order.

    Raises `Refused` for an unknown id, in the request or in the profile, and for an artifact that the profile has no sizes for.
    """
    for name in (*ids, *profile.artifacts):
        if name not in artifacts:
            place = "" if name in ids else f" in profile {profile.name}"
            raise Refused(f"unknown artifact {name!r}{place}; {did_you_mean(name, artifacts)}")
    for name in ids:
        if name not in profile.artifacts:
            raise Refused(f"profile {profile.name} has no sizes for {name}; give them under `artifacts:`, or choose another profile")
    return [artifacts[name] for name in dict.fromkeys(ids or profile.artifacts)]


def make_task(artifact: Artifact, profile: Profile, overrides: Mapping[str, str], checkout: Path) -> Task:
    """The task that makes `artifact` at the sizes of `profile`, changed by `overrides`.

    Raises `Refused` for a parameter that the notebook does not have, and for a value that is not of its type.
    """
    path = checkout / "notebooks" / artifact.notebook
    notebook = read_notebook(path)
    declared = read_parameters(notebook, artifact.notebook)
    sizes = check_values(declared, profile.artifacts[artifact.id], notebook=artifact.notebook, source=f"profile {profile.name}")
    given = sizes | parse_overrides(declared, overrides, notebook=artifact.notebook)
    parameters = {name: given.get(name, parameter.default) for name, parameter in declared.items()}
    changed = {name: value for name, value in parameters.items() if repr(value) != repr(declared[name].default)}  # True == 1
    return Task(artifact, path, parameters, changed, content_key(notebook, parameters))


def builds_of(tasks: Iterable[Task]) -> list[dict[str, Any]]:
    """The settings of the SVEB builds that the notebooks ask for, each once: their parameter `build` or `builds`.

    `model` replaces the model of the first build and leaves the others out (see `artifacts.measurements.measure`), `build_seeds` draw a
    build once each, with `cut_every` each is also made in the other design, and with `redesign` the first also with those settings.
    """
    found: dict[str, dict[str, Any]] = {}
    for task in tasks:
        single = task.parameters.get("build")
        builds = task.parameters.get("builds", [single] if single else [])
        if builds and (model := task.parameters.get("model")):
            builds = [{**builds[0], "model": model}]
        if seeds := task.parameters.get("build_seeds"):
            builds = [{**build, "seed": seed} for build in builds for seed in seeds]
        if builds and (redesign := task.parameters.get("redesign")):
            builds = [{**builds[0], **redesign}, *builds]
        if cut_every := task.parameters.get("cut_every"):
            from hista_repro.sveb.config import other_design  # here, since most requests need no benchmark and it takes seconds to load

            builds = [design for build in builds for design in (build, other_design(build, cut_every))]
        found.update((repr(sorted(build.items())), build) for build in builds)
    return list(found.values())
