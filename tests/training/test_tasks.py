"""Problems as TRL takes them: prompts, ends and grades."""

import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from hista_repro.errors import Refused
from hista_repro.models import load_model
from hista_repro.problems.problem import Problem
from hista_repro.problems.sources import load_problems
from hista_repro.training.tasks import accuracy_reward, prompt_rows, stop_tokens


def tokenizer_that_begins() -> PreTrainedTokenizerFast:
    """Puts <s> before what it encodes, and has a chat template that spells it out."""
    tokenizer = Tokenizer(models.WordLevel({"<s>": 0, "x": 1}, unk_token="x"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("[\\s\\S]"), "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", unk_token="x")
    fast.chat_template = "{{ bos_token }}{% for message in messages %}[{{ message['content'] }}]{% endfor %}"
    return fast


def test_the_beginning_of_sequence_token_comes_once():
    tokenizer = tokenizer_that_begins()
    (prompt,) = prompt_rows([Problem("a", "math", "1+1?", "2", "math")], tokenizer)["prompt"]
    assert prompt.startswith("[")
    assert tokenizer(prompt)["input_ids"].count(0) == 1


def test_completions_of_worked_prompts_end_at_the_line():
    _, tokenizer = load_model("tiny")
    problems = load_problems("arithmetic-worked", limit=3)
    assert [tokenizer.decode([token]) for token in stop_tokens(problems, tokenizer)] == ["\n"]
    assert stop_tokens(load_problems("arithmetic-steps", limit=3), tokenizer) == []


def test_an_end_of_several_tokens_is_refused():
    _, tokenizer = load_model("tiny")
    with pytest.raises(Refused, match="choose a model with a chat template"):
        stop_tokens([Problem("a", "math", "1+1?", "2", "math")], tokenizer)


def test_a_correct_completion_is_worth_one():
    problems = [Problem("a", "math", "1+1?", "2", "math"), Problem("b", "math", "2+2?", "4", "math")]
    reward = accuracy_reward(problems)
    given = reward(completions=[r"\boxed{4}", r"\boxed{4}", "no answer"], problem_id=["b", "a", "a"], trainer_state=None)
    assert given == [1.0, 0.0, 0.0]
