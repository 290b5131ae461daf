"""What the book says that follows from the recorded runs, in MyST Markdown that fits on any page."""

from collections.abc import Mapping, Sequence
from typing import Any

from hista_repro.artifacts.registry import ARTIFACTS, Artifact
from hista_repro.artifacts.verdicts import Word, combine
from hista_repro.book.runs import ShownRun
from hista_repro.runner.batch import duration

_PARTS_OF_KEY = {
    "notebook": "the notebook’s code",
    "parameters": "the sizes",
    "source": "the code",
    "inputs": "the input files",
}
_NAMES = ("Hista", "Numca")
"""Names that titles begin with and that have no second capital, as DAPO has."""


def result_entry(artifact: Artifact, run: ShownRun | None) -> dict[str, Any]:
    """What prose may use of an artifact (`sphinxext.results`).

    `shown`, the numbers that its page shows, name -> text, or None without a run; `size`, profile and date of what tested a claim, and else
    nothing; and in Markdown `source`, where it comes from, and `findings`.
    """
    if run is None:
        sentence = f"{page_link(artifact)} was not run here: `{command_for(artifact)}`."
        return {"shown": None, "size": "", "source": sentence, "findings": sentence}
    size = f"{run.stamp['profile']} profile, {run.date}{', older than the code' if run.changed else ''}"
    source = f"*{page_link(artifact)} ({size}). {run.result['verdict']['size']}.*"
    verdict = f"{page_link(artifact)} ({size}): **{run.result['verdict']['word']}**"
    table = findings_table(run.result["verdict"]["findings"])
    return {
        "shown": run.result["shown"],
        "size": "" if run.result["verdict"]["word"] == Word.NOT_RUN else size,
        "source": source,
        "findings": f"{verdict}\n\n{table}",
    }


def findings(runs: Mapping[str, ShownRun | None]) -> str:
    """For each artifact the paper's claims in rows, and in columns what the paper prints and what each measurement gave."""
    entries = {artifact_id: result_entry(ARTIFACTS[artifact_id], run) for artifact_id, run in runs.items()}
    return "\n".join(f"## {heading(ARTIFACTS[artifact_id])}\n\n{entry['findings']}\n" for artifact_id, entry in entries.items())


def status_table(runs: Mapping[str, ShownRun | None]) -> str:
    """One row for each artifact: which run is shown, and whether it is up to date."""
    rows = []
    for artifact_id, run in runs.items():
        link = page_link(ARTIFACTS[artifact_id])
        if run is None:
            rows.append((link, "not run", "", "", "", "", f"`{command_for(ARTIFACTS[artifact_id])}`"))
            continue
        state = f"{_changes(run)} changed since" if run.changed else "up to date"
        took = duration(run.stamp["seconds"]).replace(" ", "\N{NO-BREAK SPACE}")
        rows.append((link, state, run.stamp["profile"], run.models, run.date, f"{run.commit}, {took}", f"`{run.command}`"))
    return markdown_table(("Page", "State", "Profile", "Models", "Date", "Commit, duration", "Make it again"), rows)


def provenance_note(run: ShownRun) -> str:
    """The note at the top of a page: which run it shows, where that comes from, and how to make it again."""
    hardware, versions = run.result["provenance"]["hardware"], run.result["provenance"]["versions"]
    devices = [*hardware["gpus"], f"{hardware['cores']} cores of {hardware['cpu']}", f"{hardware['memory_gib']} GiB of memory"]
    details = {
        "Profile": run.stamp["profile"],
        "Models": run.models,
        "Problems": run.settings("problems"),
        "Seeds": run.seeds,
        "Date and duration": f"{run.date}, {duration(run.stamp['seconds'])}",
        "Commit": run.commit,
        "Hardware": ", ".join(devices),
        "Versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    on = "" if run.models == "none" else f" on {run.models}"
    lines = [f"*This page shows a run of the `{run.stamp['profile']}` profile of {run.date}{on}. Make it again with*", ""]
    lines += ["```text", run.command, "```", ""]
    if run.changed:
        sentence = f"After this run {_changes(run)} changed. The numbers may be others when it is made again."
        lines += ["```{admonition} Older than the code", ":class: warning", sentence, "```", ""]
    lines += ["```{dropdown} Where these numbers come from", *(f"- **{name}:** {detail}" for name, detail in details.items()), "```"]
    return "\n".join(lines)


def empty_page(artifact: Artifact) -> str:
    """The page of an artifact that has no run yet."""
    return f"""# {heading(artifact)}

**Not run here yet** (in the paper: {artifact.section}). It takes {artifact.needs}:

```text
{command_for(artifact)}
```
"""


def findings_table(found: Sequence[Mapping[str, str]]) -> str:
    """The claims of a verdict in rows, and in columns what the paper prints and what each measurement gave."""
    measured = [finding for finding in found if finding["word"] != Word.NOT_RUN]
    settings = list(dict.fromkeys(finding["setting"] for finding in measured))
    here = {(finding["claim"], finding["setting"]): finding["ours"] for finding in measured}
    rows = []
    for claim in dict.fromkeys(finding["claim"] for finding in found):
        mine = [finding for finding in found if finding["claim"] == claim]
        word = combine(Word(finding["word"]) for finding in mine)
        rows.append((claim, mine[0]["paper"], *(here.get((claim, setting), "–") for setting in settings), word))
    return markdown_table(("Claim", "Paper", *settings, "Verdict"), rows)


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; cells hold no line breaks and no vertical bars."""
    return "".join(f"| {' | '.join(line)} |\n" for line in (heads, ["---"] * len(heads), *rows))


def heading(artifact: Artifact) -> str:
    """Label and title, as a page is headed: the title begins with a small letter, unless it begins with a name."""
    first = artifact.title.split()[0]
    is_name = first in _NAMES or any(letter.isupper() for letter in first[1:])
    return f"{artifact.label}: {artifact.title if is_name else f'{artifact.title[0].lower()}{artifact.title[1:]}'}"


def page_link(artifact: Artifact) -> str:
    """A link to the page of an artifact, from wherever it stands."""
    return f"{{doc}}`{artifact.label} </notebooks/{artifact.notebook.removesuffix('.ipynb')}>`"


def command_for(artifact: Artifact) -> str:
    """What makes an artifact that has no run yet."""
    return f"hista-repro run {artifact.id}"


def _changes(run: ShownRun) -> str:
    """What changed since the run, in words."""
    return " and ".join(_PARTS_OF_KEY[part] for part in run.changed)
