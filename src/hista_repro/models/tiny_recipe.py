"""The recipe of `tiny`, the model that ships with the package: `python -m hista_repro.models.tiny_recipe --out DIR [--seed 0]`.

A Qwen2 of less than a million parameters over single bytes learns, from nothing, to add and subtract in steps (the language of
`hista_repro.problems.arithmetic`). Training stops while the model still makes mistakes: it has to be good but fallible, since the value
of a state is worth estimating only where the outcome is open.

Chains of a few terms come first, since following a chain is learnt from them at a third of the cost. Problems are drawn afresh for
each batch, under a seed of their own, so none of the problems asked later was picked for training.
"""

import argparse
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from transformers import GenerationConfig, PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from hista_repro.files import write_json
from hista_repro.models.saving import save_model
from hista_repro.models.tiny_evaluation import evaluate
from hista_repro.problems.arithmetic import STEPS_TERMS, draw_steps, steps_answer, steps_question
from hista_repro.progress import progress
from hista_repro.seeding import derive_seed

IGNORED = -100
"""The label of tokens that are not trained on (a convention of transformers)."""


@dataclass(frozen=True)
class Recipe:
    """What decides the trained model, beside the versions of the libraries and the number of threads.

    Accuracy rises steeply within a few hundred updates, which come earlier under one seed than under another. So it is not the number of
    updates that is fixed but the accuracy at which training ends. What is asked and kept is a running mean of the weights, whose accuracy
    does not jump from one update to the next.
    """

    seed: int = 0
    sequences: int = 32
    """Problems of full length in a batch. Few, because what takes long to learn is the arithmetic, and it is learnt by many updates."""
    short_terms: tuple[int, ...] = (3, 4)
    """Numbers of terms of the problems that come first; their batches hold twice as many sequences."""
    short_updates: int = 300
    learning_rate: float = 3e-3
    warmup: int = 50
    """Updates over which the learning rate rises; it stays where it is then."""
    averaging: float = 0.98
    """The decay of the running mean of the weights, per update."""
    accuracy_to_reach: float = 0.53
    """At temperature 1, of the averaged weights, on `asked` fresh problems of full length."""
    asked: int = 200
    asked_every: int = 25
    """Updates from one question of accuracy to the next."""
    most_updates: int = 3000
    """All updates together, even if the accuracy was never reached."""


def build_tokenizer() -> PreTrainedTokenizerFast:
    """A fast tokenizer over single bytes, padding on the left as generation wants it.

    It is byte-level BPE without a single merge, because transformers 5 builds a byte-level BPE for every Qwen2 model, whatever else the
    tokenizer's file asks for.
    """
    tokens = ["<pad>", "<eos>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<eos>",
        unk_token="<eos>",  # never met, but left out it would be added to the vocabulary
        padding_side="left",
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )


def build_model(tokenizer: PreTrainedTokenizerFast, seed: int) -> Qwen2ForCausalLM:
    """The untrained model: 3 layers of width 128 with 4 heads."""
    special = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        **special,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "tiny", "weights"))
        model = Qwen2ForCausalLM(config)
    model.generation_config = GenerationConfig(do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=160, **special)
    return model


def encode_batch(terms: Sequence[Sequence[int]], tokenizer: PreTrainedTokenizerFast) -> dict[str, Tensor]:
    """Inputs and labels (B, T) for questions with their worked answers, padded on the right; only answers are trained on."""
    rows = []
    for signed in terms:
        question, answer = tokenizer.encode(steps_question(signed)), tokenizer.encode(steps_answer(signed))
        rows.append((question, [*answer, tokenizer.eos_token_id]))
    longest = max(len(question) + len(answer) for question, answer in rows)
    input_ids = torch.full((len(rows), longest), tokenizer.pad_token_id)
    labels = torch.full((len(rows), longest), IGNORED)
    for row, (question, answer) in enumerate(rows):
        end = len(question) + len(answer)
        input_ids[row, :end] = torch.tensor(question + answer)
        labels[row, len(question) : end] = torch.tensor(answer)
    return {"input_ids": input_ids, "labels": labels}


def train(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> Qwen2ForCausalLM:
    """The trained model, in evaluation mode. Shows its progress on standard error."""
    model = build_model(tokenizer, recipe.seed).train()
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.averaging)).eval()
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.98), weight_decay=0.01)
    rng = random.Random(derive_seed(recipe.seed, "tiny", "training"))
    accuracy = 0.0
    with progress(recipe.most_updates, "training tiny", unit="updates") as bar:
        while bar.n < recipe.most_updates and accuracy < recipe.accuracy_to_reach:
            short = bar.n < recipe.short_updates
            counts, size = (recipe.short_terms, 2 * recipe.sequences) if short else (STEPS_TERMS, recipe.sequences)
            batch = encode_batch([draw_steps(rng, counts) for _ in range(size)], tokenizer)
            optimizer.param_groups[0]["lr"] = recipe.learning_rate * min(1.0, (bar.n + 1) / recipe.warmup)
            loss = _update(model, optimizer, batch)
            averaged.update_parameters(model)
            bar.update()
            if not short and bar.n % recipe.asked_every == 0:
                asked = evaluate(averaged.module, tokenizer, problems=recipe.asked, samples=1, seed=derive_seed(recipe.seed, bar.n))
                accuracy = asked["mean_accuracy"]
            bar.set_postfix(loss=f"{loss:.3f}", accuracy=f"{accuracy:.2f}")
    return averaged.module


def _update(model: Qwen2ForCausalLM, optimizer: torch.optim.Optimizer, batch: dict[str, Tensor]) -> float:
    """One step of the optimizer; returns the loss before it."""
    optimizer.zero_grad(set_to_none=True)
    loss = model(**batch).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m hista_repro.models.tiny_recipe", description="Train `tiny` from scratch.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the model; files of the same names are replaced")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (default: 2)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    recipe, tokenizer = Recipe(seed=options.seed), build_tokenizer()
    model = train(recipe, tokenizer)
    save_model(model, tokenizer, options.out)
    write_json(options.out / "evaluation.json", {"recipe": asdict(recipe), "measured": evaluate(model, tokenizer)})


if __name__ == "__main__":
    main()
