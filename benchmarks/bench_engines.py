"""Tokens a second of an engine against its library called directly with the same batch, in one run.

    python benchmarks/bench_engines.py [--engine transformers|vllm] [--model tiny] [--problems arithmetic-steps] [--rows 128] [--tokens 96]

Both take turns, so that other load hits both, and the best of the repeats counts. Tokens are those of the completions, up to where they
end. Direct calls decode to text, as an engine does; an engine finds stop strings and the place of every token on top.
"""

import argparse
import time
from collections.abc import Callable

import torch
from transformers import GenerationConfig

from hista_repro.problems.prompting import render
from hista_repro.problems.sources import load_problems
from hista_repro.rollouts.engine import Engine, Request
from hista_repro.rollouts.transformers_engine import TransformersEngine
from hista_repro.rollouts.vllm_engine import VllmEngine

TEMPERATURE = 0.7


def generate_directly(engine: TransformersEngine, requests: list[Request]) -> Callable[[], int]:
    """`generate` over left-padded prompts."""
    width = max(len(request.prompt) for request in requests)
    ids = torch.full((len(requests), width), engine.tokenizer.pad_token_id)
    mask = torch.zeros_like(ids)
    for row, request in enumerate(requests):
        ids[row, -len(request.prompt) :], mask[row, -len(request.prompt) :] = torch.tensor(request.prompt), 1
    ends = engine.tokenizer.eos_token_id
    config = GenerationConfig(
        do_sample=True,
        temperature=TEMPERATURE,
        top_k=0,
        max_new_tokens=requests[0].max_tokens,
        eos_token_id=ends,
        pad_token_id=engine.tokenizer.pad_token_id,
    )

    def run() -> int:
        with torch.inference_mode():
            written = engine.model.generate(
                input_ids=ids.to(engine.device), attention_mask=mask.to(engine.device), generation_config=config
            )[:, width:].cpu()
        engine.tokenizer.batch_decode(written, skip_special_tokens=True)
        return int(((written == ends).cumsum(dim=1) == 0).sum())

    return run


def vllm_directly(engine: VllmEngine, requests: list[Request]) -> Callable[[], int]:
    """`LLM.generate`, with an empty prefix cache to begin with, as the engine has it."""
    from vllm import SamplingParams

    params = SamplingParams(temperature=TEMPERATURE, max_tokens=requests[0].max_tokens)
    prompts = [{"prompt_token_ids": list(request.prompt)} for request in requests]

    def run() -> int:
        engine.llm.reset_prefix_cache()
        outputs = engine.llm.generate(prompts, params, use_tqdm=False)
        return sum(len(output.outputs[0].token_ids) for output in outputs)

    return run


def by_engine(engine: Engine, requests: list[Request]) -> Callable[[], int]:
    return lambda: sum(len(found.token_ids) for found in engine.sample(requests, temperature=TEMPERATURE, stop=(), seed=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=("transformers", "vllm"), default="transformers")
    parser.add_argument("--model", default="tiny")
    parser.add_argument("--problems", default="arithmetic-steps")
    parser.add_argument("--rows", type=int, default=128)
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    if options.engine == "vllm":
        engine, directly = VllmEngine(options.model), vllm_directly
    else:
        engine, directly = TransformersEngine(options.model, batch_tokens=1 << 30), generate_directly
    problems = load_problems(options.problems, limit=max(1, options.rows // 16))
    prompts = [engine.encode(render(problem, engine.tokenizer).text) for problem in problems]
    requests = [Request(prompts[row % len(prompts)], options.tokens) for row in range(options.rows)]
    ways = {"engine": by_engine(engine, requests), "library alone": directly(engine, requests)}
    best = dict.fromkeys(ways, 0.0)
    for _ in range(options.repeats + 1):  # the first turn of each warms up
        for name, run in ways.items():
            start = time.perf_counter()
            best[name] = max(best[name], run() / (time.perf_counter() - start))
    for name, rate in best.items():
        print(f"{name:14} {rate:10,.0f} tokens/s")
    print(f"{'ratio':14} {best['engine'] / best['library alone']:10.2f}")


if __name__ == "__main__":
    main()
