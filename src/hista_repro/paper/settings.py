"""Under which conditions the paper measured SVEB, as far as it says."""

SVEB_PROBLEMS = {
    "Number": "DAPO-17K",
    "Math": "OpenR1-220K",
    "Science": "Llama-Nemotron Post-Training Dataset, science",
    "General": "WebInstruct-verified",
    "Programming": "verifiable-coding-problem, Python",
}
"""Column of a table -> source of its problems (section 6.1)."""


def sveb_setting(model: str, column: str) -> dict[str, str]:
    """The setting behind a column of an SVEB table measured with `model` (sections 4.1 and 6.1, captions of Tables 1, 2, 4 and 9)."""
    return {
        "Model": model,
        "Problems": SVEB_PROBLEMS[column],
        "Rollouts per problem": "40",
        "Continuations per state": "20",
        "Longest answer in tokens": "not stated",
        "Sampling temperature": "not stated",
    }
