"""What evaluations cost, as a bound: every answer uses its whole length limit. Prompts are not counted."""

from hista_repro.benchmarks import Benchmark, EvaluationConfig, get_benchmark
from hista_repro.benchmarks.suites import SUITES
from hista_repro.planning.costs import BYTES_PER_STORED_TOKEN, Assumptions, Cost
from hista_repro.planning.shapes import shape_of


def cost_of_evaluation(config: EvaluationConfig, assumed: Assumptions | None = None) -> Cost:
    """The bound for an evaluation; a benchmark whose number of questions is not known before its data set is read counts as unknown.

    Raises `Refused` for a model whose sizes are not known.
    """
    assumed = assumed or Assumptions()
    shape = shape_of(config.model)
    total = Cost()
    for benchmark in map(get_benchmark, config.benchmarks):
        questions = _questions(benchmark, config.limit)
        if questions is None:
            total += Cost(unknown=(f"answers to {benchmark.title}, whose number of questions is not known",))
            continue
        samples, _, longest = config.asking(benchmark)
        tokens = questions * samples * longest
        hours = assumed.sampling_hours(shape, tokens, longest / 2)
        total += Cost(rollouts=questions * samples, tokens=tokens, gpu_hours=hours, disk_bytes=tokens * BYTES_PER_STORED_TOKEN)
    return total


def _questions(benchmark: Benchmark, limit: int | None) -> int | None:
    """At most so many; None where neither the benchmark nor a limit says."""
    size = SUITES[benchmark.name].size if benchmark.built_in else benchmark.questions
    return min((number for number in (size, limit) if number is not None), default=None)
