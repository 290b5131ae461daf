"""Files of training runs: YAML mappings of settings, of which one may build on another or hold several runs.

    extends: recipes.yaml        a file beside this one; what is set here goes before what is set there
    runs:                        several runs, each with what sets it apart; `run=NAME` chooses one
      qwen2.5-0.5b-dapo: {model: Qwen/Qwen2.5-0.5B}

A run that is chosen writes into a folder of its name in `out`. Settings that are mappings are joined entry by entry.
"""

from importlib.resources import files
from pathlib import Path
from typing import Any

from hista_repro.errors import Refused, did_you_mean
from hista_repro.yaml12 import load_yaml

BUNDLED = Path(str(files("hista_repro.training") / "configs"))
"""Files that come with the package: those of the paper's tables, of `tiny`, and of `accelerate launch` (in `launch`)."""


def read_settings(path: Path, run: str | None = None) -> dict[str, Any]:
    """The settings in the file `path`, or, where there is none, in the bundled one of that name; of the run called `run`.

    Raises `Refused` for a file that cannot be read or is no mapping, for files that extend each other, and for a run that does not exist.
    """
    path = Path(path)
    if not path.exists() and (BUNDLED / path).is_file():
        path = BUNDLED / path
    settings = _extended(path, ())
    runs = settings.pop("runs", None)
    if runs is None:
        if run is not None:
            raise Refused(f"{path} holds a single run, so run={run} chooses nothing; leave it out")
        return settings
    if not isinstance(runs, dict) or not all(isinstance(delta, dict) for delta in runs.values()):
        raise Refused(f"runs of {path} must be a mapping of names to settings, not {runs!r}")
    if run is None:
        raise Refused(f"{path} holds several runs; choose one with run=NAME, where NAME is one of {', '.join(runs)}")
    if run not in runs:
        raise Refused(f"{path} holds no run {run!r}; {did_you_mean(run, runs)}")
    chosen = _joined(settings, runs[run])
    return {**chosen, "out": str(Path(chosen["out"]) / run)} if "out" in chosen else chosen


def run_names(path: Path) -> list[str]:
    """The runs that the bundled file or the file `path` holds; raises as `read_settings` does."""
    path = Path(path)
    return list(_extended(path if path.exists() else BUNDLED / path, ()).get("runs", {}))


def _extended(path: Path, chain: tuple[Path, ...]) -> dict[str, Any]:
    """The settings of `path` on top of those that it extends; `chain` are the files that extend it."""
    if path.resolve() in chain:
        raise Refused(f"{path} extends itself, by way of {', '.join(file.name for file in chain)}")
    settings = _mapping(path)
    if (base := settings.pop("extends", None)) is None:
        return settings
    if not isinstance(base, str):
        raise Refused(f"extends of {path} must name a file, not {base!r}")
    return _joined(_extended(path.parent / base, (*chain, path.resolve())), settings)


def _mapping(path: Path) -> dict[str, Any]:
    try:
        document = load_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    except ValueError as error:
        raise Refused(f"{path} is not YAML: {error}") from None
    if not isinstance(document, dict):
        raise Refused(f"{path} must be a mapping of settings, not {document!r}")
    return document


def _joined(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    mappings = [name for name, value in above.items() if isinstance(value, dict) and isinstance(below.get(name), dict)]
    return {**below, **above, **{name: {**below[name], **above[name]} for name in mappings}}
