"""The tables and figures that this project re-measures; adding one means adding a notebook and one entry here."""

import difflib
from dataclasses import dataclass

from hista_repro.errors import Refused


@dataclass(frozen=True)
class Artifact:
    """A table or figure, and the notebook that makes it."""

    id: str
    """`table-04`, `figure-07`: the paper's numbering; ours begin with `audit-`, `theory-` or `extra-`."""
    title: str
    section: str
    """Where the paper prints it."""
    notebook: str
    """File name in `notebooks/`."""
    needs: str
    """What a run of the notebook takes, in words."""

    @property
    def label(self) -> str:
        """The id as text writes it: "Table 4"."""
        kind, _, rest = self.id.partition("-")
        return f"{kind.capitalize()} {rest.lstrip('0')}"


_SVEB = "language models of any size, and SVEB builds of them (made on the first run)"

ARTIFACTS: dict[str, Artifact] = {
    artifact.id: artifact
    for artifact in (
        Artifact("table-04", "Error of the state-value estimators", "Section 6.2", "table_04.ipynb", _SVEB),
        Artifact("figure-07", "How far Numca moves from the group mean", "Appendix C", "figure_07.ipynb", _SVEB),
        Artifact("figure-08", "How far Hista moves from the group mean", "Appendix C", "figure_08.ipynb", _SVEB),
    )
}


def get_artifact(artifact_id: str) -> Artifact:
    """The artifact with this id; raises `Refused`, suggesting the nearest id, for an unknown one."""
    if artifact_id in ARTIFACTS:
        return ARTIFACTS[artifact_id]
    near = difflib.get_close_matches(artifact_id, ARTIFACTS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(ARTIFACTS)}"
    raise Refused(f"unknown artifact {artifact_id!r}; {hint}")
