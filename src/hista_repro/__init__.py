"""Re-measure "Hista and Numca: Estimate State Value Effectively for LLM Reinforcement Learning".

Start reading at `hista_repro.rollouts.group` (what an estimator sees), `hista_repro.estimators.base` (what an estimator is) and
`hista_repro.sveb.build` (how the benchmark is made).

Shape suffixes used on tensors throughout: P prompts, G rollouts of one prompt, T tokens, N nodes (states of one rollout),
K neighbours, D hidden size, L layers.
"""

__version__ = "0.1.0"
