"""Tokens a second of a build's workers, as it would choose them, against other numbers of processes, threads and rows, in one run.

    python benchmarks/bench_build.py [--model qwen2.5-coder-0.5b] [--problems openai/gsm8k] [--tokens 160] [--dtype bfloat16]

Every process samples whole batches of the same prompts, all at once; tokens are those of the completions, up to where they end. The rows of
a build's batch follow from its limit of 400 tokens, as in the profile `real`.
"""

import argparse
from functools import partial
from time import perf_counter

import torch

from hista_repro.distributed import hire_processes
from hista_repro.problems.prompting import render
from hista_repro.problems.sources import load_problems
from hista_repro.rollouts.engine import Request
from hista_repro.rollouts.engines import make_engine
from hista_repro.sveb import BuildConfig
from hista_repro.sveb.hiring import workers_for
from hista_repro.sveb.units import sized

MAX_TOKENS = 400
PROMPTS = 4


class Writer:
    """A process with so many threads."""

    def __init__(self, config: BuildConfig, threads: int) -> None:
        torch.set_num_threads(threads)
        self._engine = make_engine("transformers", config.model, dtype=config.dtype, batch_tokens=1 << 30)
        problems = load_problems(config.problems, limit=PROMPTS)
        self._prompts = [self._engine.encode(render(problem, self._engine.tokenizer).text) for problem in problems]

    def write(self, rows: int, tokens: int, seed: int) -> tuple[float, float, int]:
        """When it began and ended, and how many tokens it wrote."""
        requests = [Request(self._prompts[row * PROMPTS // rows], tokens) for row in range(rows)]
        start = perf_counter()
        found = self._engine.sample(requests, temperature=0.7, stop=(), seed=seed)
        return start, perf_counter(), sum(len(completion.token_ids) for completion in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="qwen2.5-coder-0.5b")
    parser.add_argument("--problems", default="openai/gsm8k")
    parser.add_argument("--tokens", type=int, default=160)
    parser.add_argument("--dtype", default="bfloat16")
    options = parser.parse_args()
    config = sized(BuildConfig(model=options.model, problems=options.problems, dtype=options.dtype, max_tokens=MAX_TOKENS))
    chosen = max(1, config.batch_tokens // (MAX_TOKENS + 100))
    cores = workers_for(config)
    rates = {}
    for processes, threads in dict.fromkeys([(cores, 1), (1, cores)]):
        with hire_processes(processes)(partial(Writer, config, threads), processes) as crew:
            for rows in sorted({chosen // 2, chosen, 2 * chosen}) if processes == cores else [chosen]:
                units = {number: (rows, options.tokens, number) for number in range(processes)}
                made = dict(crew.map("write", units)).values()
                seconds = max(end for _, end, _ in made) - min(start for start, _, _ in made)
                rate = rates[processes, threads, rows] = sum(tokens for _, _, tokens in made) / seconds
                print(f"{processes} processes of {threads} threads, {rows:4} rows {rate:10.0f} tokens/s", flush=True)
    print(f"the build's own, {cores} of 1 thread and {chosen} rows: {rates[cores, 1, chosen] / max(rates.values()):.2f} of the best")


if __name__ == "__main__":
    main()
