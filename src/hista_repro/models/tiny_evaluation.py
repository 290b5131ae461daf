"""How good, and how fallible, is `tiny`? `python -m hista_repro.models.tiny_evaluation [--model tiny]` prints the measurement as JSON."""

import argparse
import json
import re
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from hista_repro.models import load_model
from hista_repro.problems.arithmetic import ARITHMETIC_SOURCES
from hista_repro.problems.grading import Outcome, grade
from hista_repro.problems.problem import Problem
from hista_repro.progress import progress
from hista_repro.seeding import derive_seed

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ANSWERS_AT_ONCE = 400
"""Beyond this many rows a step of `generate` takes as much longer as it writes more."""


def evaluate(
    model: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerBase",
    *,
    problems: int = 200,
    samples: int = 20,
    temperature: float = 1.0,
    seed: int = 1,
) -> dict[str, Any]:
    """What `samples` answers to each of the first `problems` problems of `arithmetic-steps` under `seed` show.

    Accuracies are means over answers; `share_of_problems_between_0.1_and_0.8` counts the problems that SVEB keeps (Section 6.1).
    """
    asked = ARITHMETIC_SOURCES["arithmetic-steps"].problems(problems, seed)
    accuracies, lengths, intermediates = [], [], []
    with torch.random.fork_rng(devices=[]), progress(problems, "asking", unit="problems") as bar:
        torch.manual_seed(derive_seed(seed, "tiny", "evaluation"))
        at_once = max(1, ANSWERS_AT_ONCE // samples)
        for start in range(0, problems, at_once):
            some = asked[start : start + at_once]
            for problem, texts in zip(some, _answers(model, tokenizer, some, samples, temperature), strict=True):
                accuracies.append(sum(grade(problem, text) is Outcome.CORRECT for text in texts) / samples)
                lengths += [len(tokenizer.encode(text)) for text in texts]
                intermediates += [len(intermediate_numbers(problem, text)) for text in texts]
            bar.update(len(some))
    answers = problems * samples
    return {
        "problems": problems,
        "samples_per_problem": samples,
        "temperature": temperature,
        "seed": seed,
        "mean_accuracy": sum(accuracies) / problems,
        "share_of_problems_between_0.1_and_0.8": sum(0.1 <= accuracy <= 0.8 for accuracy in accuracies) / problems,
        "share_of_answers_with_more_than_4_intermediate_numbers": sum(count > 4 for count in intermediates) / answers,
        "mean_tokens": sum(lengths) / answers,
    }


def intermediate_numbers(problem: Problem, text: str) -> set[int]:
    """Distinct numbers, signs aside, that stand in the steps of an answer but neither in the question nor as the final answer."""
    steps, _, final = text.rpartition("A:")
    return _numbers(steps) - _numbers(problem.problem) - _numbers(final)


def _numbers(text: str) -> set[int]:
    return set(map(int, re.findall(r"\d+", text)))


@torch.inference_mode()
def _answers(
    model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", problems: Sequence[Problem], samples: int, temperature: float
) -> list[list[str]]:
    prompts = tokenizer([problem.problem for problem in problems], padding=True, return_tensors="pt")
    written = model.generate(
        input_ids=prompts["input_ids"],
        attention_mask=prompts["attention_mask"],
        do_sample=True,
        temperature=temperature,
        top_k=0,
        num_return_sequences=samples,
        max_new_tokens=160,
    )
    texts = tokenizer.batch_decode(written[:, prompts["input_ids"].shape[1] :], skip_special_tokens=True)
    return [texts[start : start + samples] for start in range(0, len(texts), samples)]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m hista_repro.models.tiny_evaluation", description="Measure a model of steps.")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--samples", type=int, default=20)
    options = parser.parse_args(arguments)
    model, tokenizer = load_model(options.model)
    json.dump(evaluate(model, tokenizer, problems=options.problems, samples=options.samples), sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
