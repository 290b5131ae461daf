import pytest
import torch

from hista_repro.files import read_json
from hista_repro.models import load_model, resolve_model, tiny_recipe
from hista_repro.models.tiny_evaluation import evaluate, intermediate_numbers
from hista_repro.models.tiny_recipe import IGNORED, Recipe, build_model, build_tokenizer, encode_batch, train
from hista_repro.problems import Problem

SMALL = Recipe(most_updates=6, sequences=4, warmup=1, short_updates=3, asked=2, asked_every=3, accuracy_to_reach=1.0)


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


def test_only_answers_and_their_end_are_trained_on(tokenizer):
    batch = encode_batch([(2, -9), (12, 3, -1)], tokenizer)
    texts = ["2-9?2-9=-7A:-7", "12+3-1?12+3=15;15-1=14A:14"]
    for row, (text, question) in enumerate(zip(texts, ("2-9?", "12+3-1?"), strict=True)):
        ids, labels = batch["input_ids"][row], batch["labels"][row]
        assert tokenizer.decode(ids[: len(text)]) == text
        assert ids[len(text)] == tokenizer.eos_token_id
        assert (ids[len(text) + 1 :] == tokenizer.pad_token_id).all()
        assert (labels[: len(question)] == IGNORED).all() and (labels[len(text) + 1 :] == IGNORED).all()
        assert (labels[len(question) : len(text) + 1] == ids[len(question) : len(text) + 1]).all()


def test_the_seed_decides_the_weights_and_the_global_generator_is_left_alone(tokenizer):
    before = torch.random.get_rng_state()
    one, same, other = (train(Recipe(**{**SMALL.__dict__, "seed": seed}), tokenizer).lm_head.weight for seed in (1, 1, 2))
    assert torch.equal(one, same) and not torch.equal(one, other)
    assert torch.equal(before, torch.random.get_rng_state())


def test_training_lowers_the_loss(tokenizer):
    batch = encode_batch([(2, -9, 3, 4), (12, 3, -1, 5)], tokenizer)
    untrained = build_model(tokenizer, seed=0)
    trained = train(Recipe(most_updates=20, sequences=8, warmup=2, averaging=0.5), tokenizer)
    with torch.inference_mode():
        assert trained(**batch).loss < untrained(**batch).loss - 1


def test_the_command_leaves_a_model_that_opens_with_its_measurement(tmp_path, monkeypatch):
    monkeypatch.setattr(tiny_recipe, "Recipe", lambda seed: Recipe(**{**SMALL.__dict__, "seed": seed}))
    monkeypatch.setattr(tiny_recipe, "evaluate", lambda model, tokenizer, **_: evaluate(model, tokenizer, problems=2, samples=2))
    threads = torch.get_num_threads()
    tiny_recipe.main(["--out", str(tmp_path / "model"), "--seed", "5", "--threads", "1"])
    torch.set_num_threads(threads)
    model, _ = load_model(str(tmp_path / "model"))
    assert sum(parameter.numel() for parameter in model.parameters()) < 1_000_000
    document = read_json(tmp_path / "model" / "evaluation.json")
    assert document["recipe"]["seed"] == 5 and document["measured"]["problems"] == 2


def test_intermediate_numbers_are_neither_asked_nor_the_answer():
    problem = Problem(id="p", domain="number", problem="2-9-3+25?", answer="15", verifier="exact", meta={"style": "steps"})
    assert intermediate_numbers(problem, "2-9=-7;-7-3=-10;-10+25=15A:15") == {7, 10}


def test_what_was_measured_of_tiny_is_what_it_is_for():
    measured = read_json(resolve_model("tiny") / "evaluation.json")["measured"]
    assert measured["problems"] >= 200 and measured["samples_per_problem"] >= 20 and measured["temperature"] == 1.0
    assert 0.45 <= measured["mean_accuracy"] <= 0.65
    assert measured["share_of_problems_between_0.1_and_0.8"] >= 0.5
    assert measured["share_of_answers_with_more_than_4_intermediate_numbers"] > 0.5


def test_tiny_is_as_good_as_was_measured():
    model, tokenizer = load_model("tiny")
    again = evaluate(model, tokenizer, problems=40, samples=20)
    measured = read_json(resolve_model("tiny") / "evaluation.json")["measured"]
    assert again["mean_accuracy"] == pytest.approx(measured["mean_accuracy"], abs=0.12)  # three standard errors of 40 problems
