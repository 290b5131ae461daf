"""The source of the book as Jupyter Book reads it: prose, executed notebooks, and the pages that follow from the runs."""

import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell

from hista_repro.artifacts.registry import ARTIFACTS, Artifact
from hista_repro.artifacts.verdicts import Word, combine
from hista_repro.book.runs import ShownRun
from hista_repro.files import write_text
from hista_repro.runner.batch import duration


def stage(root: Path, source: Path, runs: Mapping[str, ShownRun | None]) -> None:
    """Fill the folder `source`, which is emptied before, with the book of the checkout `root` and the pages of `runs`."""
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(root / "book", source / "book")
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy2(root / name, source / name)
    for artifact_id, run in runs.items():
        artifact = ARTIFACTS[artifact_id]
        page = source / "notebooks" / artifact.notebook
        if run is None:
            write_text(page.with_suffix(".md"), _empty_page(artifact))
        else:
            _stage_notebook(run, page)
    write_text(source / "book" / "_generated" / "findings.md", findings(runs))
    write_text(source / "book" / "_generated" / "status.md", status_table(runs))


def findings(runs: Mapping[str, ShownRun | None]) -> str:
    """A table for each artifact: the paper's claims in rows, and in columns what the paper prints and what each measurement gave."""
    parts = []
    for artifact_id, run in runs.items():
        artifact = ARTIFACTS[artifact_id]
        parts.append(f"### {artifact.label}: {_lower_first(artifact.title)}\n")
        if run is None:
            parts.append(f"Not run yet: see [its page](../notebooks/{_stem(artifact)}).\n")
            continue
        verdict = run.result["verdict"]
        parts.append(f"Verdict: **{verdict['word']}**, {_size(run)}. [More on its page](../notebooks/{_stem(artifact)}).\n")
        parts.append(_findings_table(verdict["findings"]))
    return "\n".join(parts)


def _findings_table(found: Sequence[Mapping[str, str]]) -> str:
    measured = [finding for finding in found if finding["word"] != Word.NOT_RUN]
    settings = list(dict.fromkeys(finding["setting"] for finding in measured))
    here = {(finding["claim"], finding["setting"]): finding["ours"] for finding in measured}
    rows = []
    for claim in dict.fromkeys(finding["claim"] for finding in found):
        mine = [finding for finding in found if finding["claim"] == claim]
        word = combine(Word(finding["word"]) for finding in mine)
        rows.append((claim, mine[0]["paper"], *(here.get((claim, setting), "–") for setting in settings), word))
    return _table(("The paper says", "Paper", *settings, "Verdict"), rows)


def status_table(runs: Mapping[str, ShownRun | None]) -> str:
    rows = []
    for artifact_id, run in runs.items():
        artifact = ARTIFACTS[artifact_id]
        if run is None:
            rows.append((_link(artifact), "not run", "", "", "", "", f"`hista-repro run {artifact_id}`"))
            continue
        state = f"{_changes(run)} changed since" if run.changed else "up to date"
        took = duration(run.stamp["seconds"])
        rows.append((_link(artifact), state, run.stamp["profile"], _models(run), _date(run), f"{_commit(run)}, {took}", f"`{run.command}`"))
    return _table(("Page", "State", "Profile", "Models", "Date", "Commit, duration", "Make it again"), rows)


def provenance_note(run: ShownRun) -> str:
    """The note at the top of a page: which run it shows, where that comes from, and how to make it again."""
    hardware, versions = run.result["provenance"]["hardware"], run.result["provenance"]["versions"]
    devices = ", ".join([*hardware["gpus"], f"{hardware['cores']} cores of {hardware['cpu']}", f"{hardware['memory_gib']} GiB of memory"])
    seeds = ", ".join(dict.fromkeys(str(build["seed"]) for build in run.builds)) or "none"
    details = [
        f"**Profile:** {run.stamp['profile']}",
        f"**Models:** {_models(run)}",
        f"**Problems:** {', '.join(dict.fromkeys(build['problems'] for build in run.builds))}",
        f"**Seeds:** {seeds}",
        f"**Date and duration:** {_date(run)}, {duration(run.stamp['seconds'])}",
        f"**Commit:** {_commit(run)}",
        f"**Hardware:** {devices}",
        f"**Versions:** {', '.join(f'{name} {version}' for name, version in versions.items())}",
    ]
    lines = [f"*This page shows a run of the `{run.stamp['profile']}` profile of {_date(run)} on {_models(run)}. Make it again with*", ""]
    lines += ["```text", run.command, "```", ""]
    if run.changed:
        sentence = f"After this run {_changes(run)} changed. The numbers may be others when it is made again."
        lines += ["```{admonition} Older than the code", ":class: warning", sentence, "```", ""]
    return "\n".join([*lines, "```{dropdown} Where these numbers come from", *(f"- {detail}" for detail in details), "```"])


def _stage_notebook(run: ShownRun, page: Path) -> None:
    notebook = nbformat.read(run.notebook, as_version=4)
    note = new_markdown_cell(provenance_note(run), id="provenance")
    notebook.cells.insert(1, note)
    page.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, page)


def _empty_page(artifact: Artifact) -> str:
    return "\n".join(
        [
            f"# {artifact.label}: {_lower_first(artifact.title)}",
            "",
            f"Printed in {artifact.section} of the paper. **Not run here yet.** It takes {artifact.needs}:",
            "",
            "```text",
            f"hista-repro run {artifact.id}",
            "```",
            "",
        ]
    )


def _table(heads: tuple[str, ...], rows: list[tuple]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines) + "\n"


def _link(artifact: Artifact) -> str:
    """From a page in `book/`, where the generated tables are shown."""
    return f"[{artifact.label}](../notebooks/{_stem(artifact)})"


def _stem(artifact: Artifact) -> str:
    return Path(artifact.notebook).stem


def _lower_first(text: str) -> str:
    return text[0].lower() + text[1:]


def _size(run: ShownRun) -> str:
    return f"in the `{run.stamp['profile']}` profile of {_date(run)}"


def _models(run: ShownRun) -> str:
    return ", ".join(dict.fromkeys(build["model"] for build in run.builds)) or "no model"


def _changes(run: ShownRun) -> str:
    """What changed since the run, in words."""
    names = {
        "notebook": "the notebook",
        "parameters": "the sizes",
        "source": "the code",
        "inputs": "the input files",
        "outputs": "the files",
    }
    return " and ".join(names[part] for part in run.changed)


def _date(run: ShownRun) -> str:
    return datetime.fromisoformat(run.stamp["finished"]).strftime("%d %B %Y").lstrip("0")


def _commit(run: ShownRun) -> str:
    commit = run.stamp["commit"]
    return "unknown" if commit is None else f"`{commit[:10]}`{' with changes' if run.stamp['dirty'] else ''}"
