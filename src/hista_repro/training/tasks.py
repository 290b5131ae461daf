"""Problems as TRL's trainer takes them: a data set of prompts, and a reward function that grades."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from datasets import Dataset

from hista_repro.errors import Refused
from hista_repro.problems.grading import Outcome, grade_all
from hista_repro.problems.problem import Problem
from hista_repro.problems.prompting import render

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def prompt_rows(problems: Sequence[Problem], tokenizer: "PreTrainedTokenizerBase") -> Dataset:
    """A data set with the columns `prompt` and `problem_id`.

    TRL lets the tokenizer put its beginning-of-sequence token before a prompt, so one that a chat template spells out is taken away.
    """
    first = tokenizer.bos_token if tokenizer("")["input_ids"] == [tokenizer.bos_token_id] else None
    texts = [render(problem, tokenizer).text.removeprefix(first or "") for problem in problems]
    return Dataset.from_dict({"prompt": texts, "problem_id": [problem.id for problem in problems]})


def stop_tokens(problems: Sequence[Problem], tokenizer: "PreTrainedTokenizerBase") -> list[int]:
    """The tokens at which completions of these problems end besides the end-of-sequence token; TRL stops at tokens only.

    Raises `Refused` for a stop string of several tokens.
    """
    found = []
    for string in sorted({string for problem in problems for string in render(problem, tokenizer).stop}):
        ids = tokenizer(string, add_special_tokens=False)["input_ids"]
        if len(ids) != 1:
            raise Refused(f"prompts of this model end at {string!r}, which is {len(ids)} tokens; choose a model with a chat template")
        found += ids
    return found


def accuracy_reward(problems: Sequence[Problem]) -> Callable[..., list[float]]:
    """A reward function for TRL: 1 for a completion that is correct, else 0; raises what `grade_all` raises."""
    by_id = {problem.id: problem for problem in problems}

    def accuracy(completions: Sequence[str], problem_id: Sequence[str], **_: Any) -> list[float]:
        outcomes = grade_all([(by_id[name], text) for name, text in zip(problem_id, completions, strict=True)])
        return [float(outcome is Outcome.CORRECT) for outcome in outcomes]

    return accuracy
