"""The command line: it parses, calls the room that does the work, and prints.

Exit codes: 0 done; 1 work failed, and what was finished is kept; 2 the request was refused before anything was written, with one line
that says what to change. Results go to standard output, progress and messages to standard error.
"""

import argparse
import ast
import inspect
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import MISSING, fields
from itertools import pairwise
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

import pandas as pd

from hista_repro import __version__
from hista_repro.errors import Refused, WorkFailed, did_you_mean
from hista_repro.profiles import PROFILES

_SCORES_SHOWN = [
    *("domain", "information", "estimator", "n_prompts", "n_states", "mae", "mae_low", "mae_high"),
    *("mae_diff", "mae_diff_low", "mae_diff_high", "mse", "mse_diff", "mse_diff_low", "mse_diff_high", "explained_variance", "floor"),
]
_ACCURACIES_SHOWN = [
    *("benchmark", "questions", "samples", "score", "low", "high", "se", "smallest_difference", "pass"),
    *("unparsed", "truncated", "timeout", "crash"),
]
_STATUS_SHOWN = ["id", "state", "changed", "where", "started", "seconds", "error"]
_METAVARS = {int: "N", float: "X", str: "NAME"}
_JSON: dict[str, Any] = {"action": "store_true", "help": "print one JSON document in place of a table"}
_EXECUTOR: dict[str, Any] = {
    "choices": ("local", "ray"),
    "default": "local",
    "help": "where work is done: on this machine, or on a Ray cluster (default: %(default)s)",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    # Threads that spin while they wait for each other cost a tenth less on an idle machine, and ten times more on one that has other work.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    options = _parser().parse_args(arguments)
    try:
        code = options.command(options) or 0
        sys.stdout.flush()
        return code
    except Refused as refusal:
        print(f"hista-repro: {refusal}", file=sys.stderr)
        return 2
    except WorkFailed as failure:
        print(f"hista-repro: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("hista-repro: interrupted; the same command goes on where this one stopped", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        if not options.extra:
            raise
        print(f"hista-repro: this command needs {error.name}; pip install 'hista-repro[{options.extra}]'", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        print(f"hista-repro: {error}; what was finished is kept", file=sys.stderr)
        return 1


class _Parser(argparse.ArgumentParser):
    """Refuses in one line, where argparse would print the usage before it."""

    options_of: Callable[[], type] | None = None
    """Gives the configuration whose fields are options too. Asked when the command is parsed: its module takes seconds to import."""
    require = True
    """Whether options for fields without a default must be given."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self.add_fields()
        return super().parse_known_args(args, namespace)

    def add_fields(self) -> None:
        """Add an option for each field of the configuration, with the field's type, default and docstring."""
        if self.options_of is None:
            return
        from hista_repro.rollouts.engines import DTYPES, ENGINES

        config, self.options_of = self.options_of(), None
        choices = {"engine": ENGINES, "dtype": DTYPES}
        meanings = _field_docstrings(config)
        for field in fields(config):
            kind = next(kind for kind in get_args(field.type) or [field.type] if kind is not NoneType)
            default = "" if field.default is None or field.default is MISSING or kind is bool else f" (default: {field.default})"
            settings: dict[str, Any] = {"help": f"{meanings[field.name]}{default}".replace("%", "%%"), "default": None}
            if kind is bool:
                settings["action"] = "store_true"
            elif get_origin(field.type) is list:
                settings |= {"type": _names, "metavar": "A,B,C"}
            else:
                shown = f"{{{','.join(choices[field.name])}}}" if field.name in choices else _METAVARS.get(kind)
                settings |= {"type": kind, "metavar": shown}
            required = self.require and field.default is MISSING
            self.add_argument(f"--{field.name.replace('_', '-')}", required=required, **settings)

    def error(self, message: str) -> Any:
        self.exit(2, f"{self.prog}: {message}\n")


def _field_docstrings(config: type) -> dict[str, str]:
    """Field -> the docstring below it, as one line; read off the source, since Python keeps none of them."""
    (source,) = ast.parse(inspect.getsource(config)).body
    return {
        above.target.id: " ".join(below.value.value.split())
        for above, below in pairwise(source.body)
        if isinstance(above, ast.AnnAssign) and isinstance(below, ast.Expr)
    }


def _build_config() -> type:
    from hista_repro.sveb import BuildConfig

    return BuildConfig


def _evaluation_config() -> type:
    from hista_repro.benchmarks import EvaluationConfig

    return EvaluationConfig


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="hista-repro", description="Re-measure state-value estimation for LLM reinforcement learning.")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
    _add_artifacts(commands)
    _add_sveb(commands)
    _add_train(commands)
    _add_evaluate(commands)
    _add_book(commands)
    return parser


def _add_artifacts(commands: Any) -> None:
    listing = commands.add_parser("list", help="every table and figure: what it is, what it needs, its state")
    listing.add_argument("--json", **_JSON)
    listing.set_defaults(command=_list, extra="book")

    running = commands.add_parser("run", help="execute the notebooks of tables and figures")
    running.add_argument("ids", nargs="*", metavar="ID", help="artifacts to make (default: all of the profile)")
    running.add_argument("--profile", default="cpu", help=f"sizes: {', '.join(PROFILES)}, or a .yaml file (default: %(default)s)")
    running.add_argument("-p", dest="parameters", action="append", default=[], metavar="NAME=VALUE", help="set a notebook parameter")
    running.add_argument("--jobs", type=int, default=1, metavar="N", help="notebooks at once (default: %(default)s)")
    running.add_argument("--executor", **_EXECUTOR)
    running.add_argument("--force", action="store_true", help="run also what is fresh")
    running.add_argument("--out", type=Path, metavar="DIR", help="run folder (default: runs/PROFILE)")
    running.add_argument("--dry-run", action="store_true", help="print what each artifact would take, at most, and run nothing")
    running.set_defaults(command=_run, extra="book")

    status = commands.add_parser("status", help="per artifact: done, stale, failed, interrupted, not run")
    status.add_argument("--json", **_JSON)
    status.set_defaults(command=_status, extra="book")

    adopting = commands.add_parser(
        "adopt",
        help="let `run` use builds and training runs that were made elsewhere",
        description="Let `run` use finished builds and training runs that were made elsewhere, or by an earlier version of the source, in "
        "the place of its own. They are copied; their manifests go on saying what made them.",
    )
    adopting.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="what `sveb build` or `train` made")
    adopting.set_defaults(command=_adopt, extra="train")


def _add_sveb(commands: Any) -> None:
    sveb = commands.add_parser("sveb", help="build the state value estimation benchmark and score estimators on it")
    actions = sveb.add_subparsers(required=True, metavar="ACTION", parser_class=_Parser)

    building = actions.add_parser("build", help="sample rollouts, states and reference values into a folder")
    building.options_of = _build_config
    building.require = False
    building.add_argument(
        "--preset", metavar="PROFILE/NAME", help="the settings of a build that a profile names, such as real/number; options change them"
    )
    building.add_argument("--out", required=True, type=Path, metavar="DIR", help="the build's folder; one that was stopped goes on there")
    building.add_argument("--executor", **_EXECUTOR)
    building.add_argument(
        "--workers", type=int, metavar="N", help="processes that sample, with one thread each (default: what suits the model and machine)"
    )
    building.set_defaults(command=_sveb_build, extra="book")

    scoring = actions.add_parser(
        "score",
        help="score estimators on a finished build",
        description="Score estimators on a finished build. The scores of each state go to DIR/scores.parquet, where those of estimators "
        "that are not asked for stay as they are; printed are the estimators asked for and the baseline.",
    )
    scoring.add_argument("folder", type=Path, metavar="DIR", help="what `sveb build` made")
    scoring.add_argument("--estimators", default="all", metavar="A,B,C", help="names (default: all that train no network)")
    scoring.add_argument(
        "--baseline", default="loo-mean", metavar="NAME", help="scored too, and what differences are to (default: %(default)s)"
    )
    scoring.add_argument("--json", **_JSON)
    scoring.set_defaults(command=_sveb_score, extra=None)


def _add_train(commands: Any) -> None:
    training = commands.add_parser("train", help="train a model with token-level credit, going on where an earlier run stopped")
    training.add_argument("config", type=Path, metavar="CONFIG.yaml", help="a file of settings, or the name of one of the package")
    training.add_argument("overrides", nargs="*", metavar="NAME=VALUE", help="settings that replace those of the file")
    training.set_defaults(command=_train, extra="train")


def _add_evaluate(commands: Any) -> None:
    evaluating = commands.add_parser("evaluate", help="ask a model the paper's benchmarks, keep its answers, and score them")
    evaluating.options_of, evaluating.require = _evaluation_config, False
    evaluating.add_argument("--list", action="store_true", help="print the names of the benchmarks, one a line")
    evaluating.add_argument("--out", type=Path, metavar="DIR", help="where answers are kept, and an evaluation that was stopped goes on")
    evaluating.add_argument(
        "--regrade",
        type=Path,
        metavar="DIR",
        help="grade the answers kept in DIR again, without asking a model; the verifier that DIR names judges, or that of --verifier "
        "('': none), which DIR names from then on",
    )
    evaluating.add_argument("--json", **_JSON)
    evaluating.set_defaults(command=_evaluate, extra="vllm")


def _add_book(commands: Any) -> None:
    book = commands.add_parser("book", help="build, serve or check the rendered book, or record a run for it")
    actions = book.add_subparsers(required=True, metavar="ACTION", parser_class=_Parser)
    building = actions.add_parser("build", help="render the book to _build/html")
    building.add_argument("--profile", choices=PROFILES, help="show this profile's own runs where they exist (default: the largest)")
    building.set_defaults(command=_book_build, extra="book")
    serving = actions.add_parser("serve", help="serve the rendered book on this machine")
    serving.add_argument("--port", type=int, default=8000, help="(default: %(default)s)")
    serving.set_defaults(command=_book_serve, extra="book")
    checking = actions.add_parser("check", help="build with warnings as errors and check links, headings and numbers")
    checking.set_defaults(command=_book_check, extra="book")
    recording = actions.add_parser("record", help="make a finished run the recorded one, which the book falls back to")
    recording.add_argument("--profile", choices=PROFILES, default="cpu", help="whose run (default: %(default)s)")
    recording.set_defaults(command=_book_record, extra="book")


def _list(options: argparse.Namespace) -> None:
    from hista_repro.runner import overview

    _print_rows(overview(), options.json)


def _status(options: argparse.Namespace) -> None:
    from hista_repro.runner import status

    rows = status()
    if not options.json:  # the parameters alone, which hold whole builds, are wider than any terminal
        rows = [row | {"changed": ", ".join(row.get("changed", []))} for row in rows]
        rows = [{name: row[name] for name in _STATUS_SHOWN if row.get(name) is not None} for row in rows]
    _print_rows(rows, options.json)


def _run(options: argparse.Namespace) -> int:
    from hista_repro.runner import run, summary

    if unparsed := [text for text in options.parameters if "=" not in text]:
        raise Refused(f"-p takes NAME=VALUE, not {unparsed[0]!r}")
    overrides = dict(text.split("=", 1) for text in options.parameters)
    if options.dry_run:
        from hista_repro.planning import plan, readable_plan

        print(readable_plan(plan(options.ids, profile=options.profile, overrides=overrides, executor=options.executor, here=True)))
        return 0
    if options.jobs > 1:  # notebooks that run at once share the cores
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // options.jobs)))
    outcomes = run(
        options.ids,
        profile=options.profile,
        overrides=overrides,
        jobs=options.jobs,
        executor=options.executor,
        force=options.force,
        out=options.out,
    )
    print(summary(outcomes), file=sys.stderr)
    return 0 if all(outcome.ok for outcome in outcomes) else 1


def _adopt(options: argparse.Namespace) -> None:
    from hista_repro import sveb
    from hista_repro.checkout import find_checkout, records_home

    home = records_home(find_checkout())
    for folder in options.folders:
        if (folder / "metrics.jsonl").exists():
            from hista_repro.training.record import adopt

            print(adopt(folder, home))
        else:
            print(sveb.adopt(folder, home))


def _sveb_build(options: argparse.Namespace) -> None:
    from hista_repro.distributed import hire_on_ray, ray_cluster
    from hista_repro.sveb import BuildConfig, build
    from hista_repro.sveb.hiring import hire_for
    from hista_repro.sveb.overview import overview

    given = {field.name: getattr(options, field.name) for field in fields(BuildConfig)}
    settings = _preset(options.preset) if options.preset else {}
    config = BuildConfig.from_dict({**settings, **{name: value for name, value in given.items() if value is not None}})
    on_ray = options.executor == "ray"
    if options.workers is not None and (on_ray or options.workers < 1):
        raise Refused("workers must be at least 1, and go without --executor ray, whose cluster decides how many there are")
    with ray_cluster() if on_ray else nullcontext():
        counts = build(config, options.out, hire_on_ray() if on_ray else hire_for(config, options.workers))["counts"]
    print(
        f"{options.out}: {counts['kept']} of {counts['problems']} problems kept, {counts['rollouts']} rollouts, "
        f"{counts['states']} states, {counts['references']} reference continuations\n{overview(options.out)}"
    )


def _preset(name: str) -> dict[str, Any]:
    """The settings of the build that is called PROFILE/NAME."""
    from hista_repro.runner.profiles import load_profile

    profile, slash, build = name.rpartition("/")
    if not slash:
        raise Refused(f"--preset names a profile and one of its builds, such as real/number, not {name!r}")
    builds = load_profile(profile).builds
    if build not in builds:
        raise Refused(f"profile {profile} names no build {build!r}; {did_you_mean(build, builds)}")
    return builds[build]


def _sveb_score(options: argparse.Namespace) -> None:
    from hista_repro.sveb import score
    from hista_repro.sveb.statistics import summarise

    names = None if options.estimators == "all" else _names(options.estimators)
    summary = summarise(score(options.folder, names, baseline=options.baseline), options.baseline)
    shown = summary if options.json else summary.sort_values(["domain", "information", "mae"])[_SCORES_SHOWN]
    _print_rows(shown.to_dict(orient="records"), options.json)


def _train(options: argparse.Namespace) -> None:
    from hista_repro.training.config import read_config
    from hista_repro.training.run import train

    if unparsed := [text for text in options.overrides if "=" not in text]:
        raise Refused(f"settings are given as NAME=VALUE, not {unparsed[0]!r}")
    folder = train(read_config(options.config, dict(text.split("=", 1) for text in options.overrides)))
    if os.environ.get("RANK", "0") == "0":  # of the processes of a launch, the first one speaks
        print(folder)


def _evaluate(options: argparse.Namespace) -> None:
    from hista_repro.benchmarks import Evaluation, EvaluationConfig, benchmarks, evaluate, readable_changes, regrade, summarise

    if options.list:
        print("\n".join(benchmarks()))
        return
    if options.regrade:
        print(readable_changes(regrade(options.regrade, options.verifier)), file=sys.stderr)
    else:
        if missing := [f"--{name}" for name in ("model", "benchmarks", "out") if getattr(options, name) is None]:
            raise Refused(f"evaluate needs {', '.join(missing)}; --list shows the benchmarks")
        given = {field.name: getattr(options, field.name) for field in fields(EvaluationConfig)}
        evaluate(EvaluationConfig(**{name: value for name, value in given.items() if value is not None}), options.out)
    summary = summarise(Evaluation.read(options.regrade or options.out))
    shown = summary if options.json else summary[_ACCURACIES_SHOWN]
    _print_rows(shown.to_dict(orient="records"), options.json)


def _book_build(options: argparse.Namespace) -> None:
    from hista_repro.book import build_book

    print(build_book(profile=options.profile))


def _book_serve(options: argparse.Namespace) -> None:
    from hista_repro.book import serve_book

    serve_book(port=options.port)


def _book_check(options: argparse.Namespace) -> None:
    from hista_repro.book import check_book

    check_book()
    print("the book is sound")


def _book_record(options: argparse.Namespace) -> None:
    from hista_repro.book import record_run

    changed = [move for move in record_run(options.profile) if move.before]
    for move in changed:
        print(f"{move.sentence} Before: {move.before}. Now: {move.after}.")
    print(f"recorded in results/{options.profile}; {len(changed)} conclusions changed")


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _print_rows(rows: list[dict[str, Any]], as_json: bool) -> None:
    frame = pd.DataFrame(rows)
    if as_json:
        print(json.dumps(json.loads(frame.to_json(orient="records")), indent=2))
    else:
        print(frame.to_string(index=False, float_format="{:.3f}".format, na_rep="") if rows else "nothing")
