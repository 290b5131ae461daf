"""What the book says that follows from the recorded runs, in MyST Markdown."""

from collections.abc import Mapping, Sequence

from hista_repro.artifacts.registry import ARTIFACTS, Artifact
from hista_repro.artifacts.verdicts import Word, combine
from hista_repro.book.runs import ShownRun
from hista_repro.runner.batch import duration

_PARTS_OF_KEY = {
    "notebook": "the notebook",
    "parameters": "the sizes",
    "source": "the code",
    "inputs": "the input files",
    "outputs": "the files",
}


def findings(runs: Mapping[str, ShownRun | None]) -> str:
    """A table for each artifact: the paper's claims in rows, and in columns what the paper prints and what each measurement gave.

    Links are those of a page in `book/`.
    """
    parts = []
    for artifact_id, run in runs.items():
        artifact = ARTIFACTS[artifact_id]
        parts.append(f"### {_heading(artifact)}\n")
        if run is None:
            parts.append(f"Not run yet: see {_link(artifact, 'its page')}.\n")
            continue
        verdict = run.result["verdict"]
        size = f"in the `{run.stamp['profile']}` profile of {run.date}"
        parts.append(f"Verdict: **{verdict['word']}**, {size}. {_link(artifact, 'More on its page')}.\n")
        parts.append(_findings_table(verdict["findings"]))
    return "\n".join(parts)


def status_table(runs: Mapping[str, ShownRun | None]) -> str:
    """One row for each artifact: which run is shown, and whether it is up to date. Links are those of a page in `book/`."""
    rows = []
    for artifact_id, run in runs.items():
        link = _link(ARTIFACTS[artifact_id], ARTIFACTS[artifact_id].label)
        if run is None:
            rows.append((link, "not run", "", "", "", "", f"`hista-repro run {artifact_id}`"))
            continue
        state = f"{_changes(run)} changed since" if run.changed else "up to date"
        made = f"{run.commit}, {duration(run.stamp['seconds'])}"
        rows.append((link, state, run.stamp["profile"], run.models, run.date, made, f"`{run.command}`"))
    return _table(("Page", "State", "Profile", "Models", "Date", "Commit, duration", "Make it again"), rows)


def provenance_note(run: ShownRun) -> str:
    """The note at the top of a page: which run it shows, where that comes from, and how to make it again."""
    hardware, versions = run.result["provenance"]["hardware"], run.result["provenance"]["versions"]
    devices = [*hardware["gpus"], f"{hardware['cores']} cores of {hardware['cpu']}", f"{hardware['memory_gib']} GiB of memory"]
    details = {
        "Profile": run.stamp["profile"],
        "Models": run.models,
        "Problems": run.settings("problems"),
        "Seeds": run.settings("seed"),
        "Date and duration": f"{run.date}, {duration(run.stamp['seconds'])}",
        "Commit": run.commit,
        "Hardware": ", ".join(devices),
        "Versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    lines = [f"*This page shows a run of the `{run.stamp['profile']}` profile of {run.date} on {run.models}. Make it again with*", ""]
    lines += ["```text", run.command, "```", ""]
    if run.changed:
        sentence = f"After this run {_changes(run)} changed. The numbers may be others when it is made again."
        lines += ["```{admonition} Older than the code", ":class: warning", sentence, "```", ""]
    lines += ["```{dropdown} Where these numbers come from", *(f"- **{name}:** {detail}" for name, detail in details.items()), "```"]
    return "\n".join(lines)


def empty_page(artifact: Artifact) -> str:
    """The page of an artifact that has no run yet."""
    return f"""# {_heading(artifact)}

**Not run here yet** (in the paper: {artifact.section}). It takes {artifact.needs}:

```text
hista-repro run {artifact.id}
```
"""


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


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in (heads, ["---"] * len(heads), *rows))


def _heading(artifact: Artifact) -> str:
    return f"{artifact.label}: {artifact.title[0].lower()}{artifact.title[1:]}"


def _link(artifact: Artifact, text: str) -> str:
    return f"[{text}](../notebooks/{artifact.notebook.removesuffix('.ipynb')})"


def _changes(run: ShownRun) -> str:
    """What changed since the run, in words."""
    return " and ".join(_PARTS_OF_KEY[part] for part in run.changed)
