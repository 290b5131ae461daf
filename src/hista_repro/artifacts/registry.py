"""The tables and figures that this project re-measures; adding one means adding a notebook and one entry here."""

import re
from dataclasses import dataclass

from hista_repro.errors import Refused, did_you_mean


@dataclass(frozen=True)
class Artifact:
    """A table or figure, and the notebook that makes it."""

    id: str
    """`table-04`, `figure-07`: the paper's numbering; ours begin with `audit-`, `theory-` or `extra-`."""
    title: str
    section: str
    """Where the paper prints it, or says what it is about."""
    notebook: str
    """File name in `notebooks/`."""
    needs: str
    """What a run of the notebook takes, in words."""

    @property
    def label(self) -> str:
        """The id as text writes it: "Table 4"."""
        kind, _, rest = self.id.partition("-")
        return f"{kind.capitalize()} {rest.lstrip('0').replace('-', ' ')}"


_SVEB = "language models of any size, and SVEB builds of them (made on the first run)"
_RUNS = "training runs of several arms and seeds (made on the first run)"
_CRITICS = f"{_SVEB}; critics are trained on the first run and kept"
_ACCURACY = "language models of any size, trained ones for the arms, and benchmarks: built in, of the hub, or in a folder"

ARTIFACTS: dict[str, Artifact] = {
    artifact.id: artifact
    for artifact in (
        Artifact("table-01", "Error of PPO's critics", "Section 4.2", "table_01.ipynb", _CRITICS),
        Artifact("table-02", "Error of PPO's critics and of Numca", "Section 5.1", "table_02.ipynb", _CRITICS),
        Artifact("table-03", "Accuracy with and without Numca", "Section 5.1", "table_03.ipynb", _ACCURACY),
        Artifact("table-04", "Error of the state-value estimators", "Section 6.2", "table_04.ipynb", _SVEB),
        Artifact("table-05", "Accuracy of base models with and without Hista", "Section 6.2", "table_05.ipynb", _ACCURACY),
        Artifact("table-06", "Accuracy of instruct models with and without Hista", "Section 6.2", "table_06.ipynb", _ACCURACY),
        Artifact("table-07", "Accuracy of a reasoning model with and without Hista", "Section 6.2", "table_07.ipynb", _ACCURACY),
        Artifact("table-08", "Accuracy of Qwen3 models with and without Hista", "Section 6.2", "table_08.ipynb", _ACCURACY),
        Artifact("table-09", "Error of Hista with other models", "Appendix D", "table_09.ipynb", _SVEB),
        Artifact("table-10", "Hista by distance", "Appendix E", "table_10.ipynb", _SVEB),
        Artifact("table-11", "Hista by layer", "Appendix E", "table_11.ipynb", _SVEB),
        Artifact("table-12", "Hista by smoothing and compression", "Appendix E", "table_12.ipynb", _SVEB),
        Artifact("table-13", "Hista by number of states and neighbours", "Appendix E", "table_13.ipynb", _SVEB),
        Artifact("table-14", "Time of an update", "Appendix F", "table_14.ipynb", _RUNS),
        Artifact("table-15", "Memory of an update", "Appendix F", "table_15.ipynb", _RUNS),
        Artifact("table-16", "Problems by source", "Appendix H", "table_16.ipynb", _SVEB),
        Artifact("table-17", "The paper's symbols, and what holds them here", "Appendix I", "table_17.ipynb", _SVEB),
        Artifact("figure-01", "DAPO with and without Hista", "Section 1", "figure_01.ipynb", _RUNS),
        Artifact("figure-02", "How far PPO's critics move from the group mean", "Section 4.2", "figure_02.ipynb", _CRITICS),
        Artifact("figure-03", "GRPO with and without Numca", "Section 5.1", "figure_03.ipynb", _RUNS),
        Artifact("figure-04", "The stages of Hista", "Section 5.2", "figure_04.ipynb", _SVEB),
        Artifact("figure-05", "Training dynamics with and without Hista", "Section 6.3", "figure_05.ipynb", _RUNS),
        Artifact("figure-06", "How far PPO's critics move, in every field", "Appendix C", "figure_06.ipynb", _CRITICS),
        Artifact("figure-07", "How far Numca moves from the group mean", "Appendix C", "figure_07.ipynb", _SVEB),
        Artifact("figure-08", "How far Hista moves from the group mean", "Appendix C", "figure_08.ipynb", _SVEB),
        Artifact("audit-leakage", "How much of a gain is the own outcome", "Section 5", "audit_leakage.ipynb", _SVEB),
        Artifact("extra-designs", "Does the benchmark's design decide?", "Section 4.1", "extra_designs.ipynb", _SVEB),
        Artifact("extra-draws", "Another draw of the benchmark", "Section 4.1", "extra_draws.ipynb", _SVEB),
        Artifact("extra-budget", "How to spend a benchmark's budget", "Section 4.1", "extra_budget.ipynb", _SVEB),
        Artifact("theory-assumptions", "Theorems 5.2 and 5.5 by numbers", "Section 5.2", "theory_assumptions.ipynb", _SVEB),
        Artifact("extra-critic-data", "How much data does a critic need?", "Section 4.2", "extra_critic_data.ipynb", _CRITICS),
        Artifact("extra-costs", "What does an estimator cost?", "Appendix F", "extra_costs.ipynb", "a processor"),
        Artifact("extra-neighbours", "Other ways to a value", "Section 2", "extra_neighbours.ipynb", _SVEB),
        Artifact("extra-same-text", "Do hidden states tell more than the text?", "Section 5.2", "extra_same_text.ipynb", _SVEB),
        Artifact("extra-conditions", "Where do values err?", "Section 6.2", "extra_conditions.ipynb", _SVEB),
        Artifact("extra-search", "Which settings are best without the own outcome?", "Appendix E", "extra_search.ipynb", _SVEB),
        Artifact("extra-gradients", "What do values do to the gradient?", "Section 1", "extra_gradients.ipynb", _SVEB),
        Artifact("extra-prediction", "Does a smaller error train a better model?", "Section 4", "extra_prediction.ipynb", _RUNS),
        Artifact("extra-rates", "Is it the learning rate?", "Section 1", "extra_rates.ipynb", _RUNS),
        Artifact("extra-mixed-groups", "Is it the groups that are all right?", "Section 1", "extra_mixed_groups.ipynb", _RUNS),
        Artifact("extra-damping", "Is it the damping of late tokens?", "Section 1", "extra_damping.ipynb", _RUNS),
        Artifact("extra-graders", "Do the graders judge as a careful reader does?", "Section 6.1", "extra_graders.ipynb", "a processor"),
        Artifact("extra-interactive-rollout", "Values token by token", "Section 1", "extra_interactive_rollout.ipynb", _SVEB),
    )
}


def get_artifact(artifact_id: str) -> Artifact:
    """The artifact with this id; raises `Refused`, suggesting the nearest id, for an unknown one."""
    if artifact_id in ARTIFACTS:
        return ARTIFACTS[artifact_id]
    with_two_digits = re.sub(r"-(\d)$", r"-0\1", artifact_id)
    raise Refused(f"unknown artifact {artifact_id!r}; {did_you_mean(with_two_digits, ARTIFACTS)}")
