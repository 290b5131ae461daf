"""How a problem is put to a model: the text of the prompt, and where a completion stops."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jinja2.exceptions import TemplateError

from hista_repro.problems.arithmetic import WORKED_EXAMPLES, worked_answer, worked_question
from hista_repro.problems.problem import Problem

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

REASON = "Think the question through step by step before you answer."
FINAL_ANSWER = {
    "math": r"End with the final answer inside \boxed{}.",
    "exact": r"End with the final answer inside \boxed{}.",
    "choice": r"End with the letter of your choice, and nothing else, inside \boxed{}.",
    "code": "End with the complete Python solution in one block that begins with ```python and ends with ```.",
}
"""What a system prompt asks for, by verifier. The paper's models are asked for the same forms of answer (App. G), in other words."""


_SUMS = tuple((worked_question(terms), worked_answer(terms)) for terms in WORKED_EXAMPLES)


@dataclass(frozen=True)
class Prompt:
    """A prompt with its special tokens spelled out, and the strings at which a completion ends besides the end-of-sequence token."""

    text: str
    stop: tuple[str, ...] = ()


def render(problem: Problem, tokenizer: "PreTrainedTokenizerBase") -> Prompt:
    """The prompt that asks `problem`.

    `problem.meta["style"]` may name one of two plain styles: "steps" is the bare problem, "worked" puts worked examples before it, those
    of `problem.meta["examples"]` (pairs of question and answer) or else sums.
    Otherwise the tokenizer's chat template is used, or a plain question-and-answer form where it has none.
    """
    match problem.meta.get("style"):
        case "steps":
            return Prompt(problem.problem)
        case "worked":
            examples = problem.meta.get("examples", _SUMS)
            return Prompt(_worked_prompt(examples, problem.problem), stop=("\n\n" if problem.verifier == "code" else "\n",))
    system = f"{REASON} {FINAL_ANSWER[problem.verifier]}"
    if tokenizer.chat_template is None:
        return Prompt(f"{system}\n\nQuestion: {question_text(problem)}\nAnswer:", stop=("\nQuestion:",))
    return Prompt(_chat_prompt(system, question_text(problem), tokenizer))


def question_text(problem: Problem) -> str:
    """The problem, followed by its choices, one lettered line each."""
    lines = [f"{chr(ord('A') + index)}. {choice}" for index, choice in enumerate(problem.choices)]
    return "\n".join([problem.problem, *lines])


def _worked_prompt(examples: Iterable[tuple[str, str]], question: str) -> str:
    """An answer of several lines begins on a line of its own."""
    shown = ""
    for asked, answer in examples:
        space = "\n" if "\n" in answer else " "
        shown += f"Q: {asked}\nA:{space}{answer}\n\n"
    return f"{shown}Q: {question}\nA:"


def _chat_prompt(system: str, question: str, tokenizer: "PreTrainedTokenizerBase") -> str:
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    try:
        return tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    except TemplateError:  # some templates, Gemma's among them, know no system role
        merged = [{"role": "user", "content": f"{system}\n\n{question}"}]
        return tokenizer.apply_chat_template(merged, tokenize=False, add_generation_prompt=True)
