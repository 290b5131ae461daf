"""Values of all nodes of a group: the released algorithm against `hista_values`, on the CPU and on the same inputs.

    python benchmarks/bench_hista.py [--rollouts 32] [--tokens 1024] [--depth 896] [--repeats 5]
    python benchmarks/bench_hista.py --memory [--rollouts 32] [--tokens 4096] [--depth 1536]

Times are CPU seconds of one thread, the least of the repeats; all take turns, so that other load hits all. The floor is the matrix
products alone: the rows up to the last node, every unordered pair of rollouts once, in tiles that suit the processor.
"""

import argparse
import resource

import torch
from torch import Tensor

from hista_repro.artifacts.estimator_costs import cpu_seconds, products_seconds
from hista_repro.estimators import hista_values
from hista_repro.estimators.hista_released import neighbour_schedule, released_nodes


def plain_released_values(hidden_G_T_D: Tensor, rewards_G: Tensor) -> list[Tensor]:
    """The released computation step by step, for rollouts of equal length without a prompt.

    A loop over tokens for the moving average; for every ordered pair of rollouts `cdist`, two running minima and two running sums; for
    every node its own top-k.
    """
    rollouts, length, _ = hidden_G_T_D.shape
    average = hidden_G_T_D[:, 0]
    rows = [average / (1 - 0.7)]
    for token in range(1, length):
        average = 0.7 * average + (1 - 0.7) * hidden_G_T_D[:, token]
        rows.append(average / (1 - 0.7 ** (token + 1)))
    rows_G_R_D = torch.stack(rows[::5], dim=1)
    ends_N = torch.tensor(released_nodes(length, 0)) // 5 + 1
    inner_N = ends_N[1:-1]
    rewards_M = rewards_G.repeat_interleave(len(ends_N))
    values = []
    for i in range(rollouts):
        distances = []
        for j in range(rollouts):
            rows_to_rows = torch.cdist(rows_G_R_D[i], rows_G_R_D[j])
            over_rows = rows_to_rows.cummin(dim=1).values.cumsum(dim=0)
            over_columns = rows_to_rows.cummin(dim=0).values.cumsum(dim=1)
            of_i, of_j = inner_N[:, None], ends_N[None, :]
            nearest = torch.where(of_i >= of_j, over_rows[of_i - 1, of_j - 1] / of_i, over_columns[of_i - 1, of_j - 1] / of_j)
            distances.append(nearest.masked_fill(of_j > of_i, torch.inf) if i == j else nearest)
        distances_N_M = torch.cat(distances, dim=1).clamp_min(5.0)
        of_rollout = [rewards_G.mean()]
        for distances_M, k in zip(distances_N_M, neighbour_schedule(len(inner_N)), strict=True):
            nearest = distances_M.topk(k, largest=False)
            weights = 1 / nearest.values
            of_rollout.append((weights * rewards_M[nearest.indices]).sum() / weights.sum())
        values.append(torch.stack([*of_rollout, rewards_G[i]]))
    return values


def compare_speed(rollouts: int, tokens: int, depth: int, repeats: int) -> None:
    """Print the least CPU seconds of each contestant, and how far apart the released values are."""
    generator = torch.Generator().manual_seed(0)
    hidden_G_T_D = torch.randn(rollouts, tokens, depth, generator=generator)
    rewards_G = (torch.rand(rollouts, generator=generator) < 0.4).float()
    contestants = {
        "released algorithm": lambda: plain_released_values(hidden_G_T_D, rewards_G),
        "ours, released": lambda: hista_values(list(hidden_G_T_D), rewards_G, variant="released"),
        "ours, paper": lambda: hista_values(list(hidden_G_T_D), rewards_G),
        "ours, leave_one_out": lambda: hista_values(list(hidden_G_T_D), rewards_G, variant="leave_one_out"),
    }
    seconds = {name: [] for name in [*contestants, "products alone"]}
    for _ in range(repeats):
        for name, work in contestants.items():
            seconds[name].append(cpu_seconds(work))
        seconds["products alone"].append(products_seconds(rollouts, tokens // 50 * 10, depth))
    plain, floor = min(seconds["released algorithm"]), min(seconds["products alone"])
    print(f"G={rollouts} T={tokens} D={depth}, float32, one thread: CPU seconds, least of {repeats}")
    for name, measured in seconds.items():
        least = min(measured)
        print(f"{name:>20} {least:7.3f} s   released algorithm / this {plain / least:5.2f}   this / products alone {least / floor:5.2f}")
    ours = hista_values(list(hidden_G_T_D), rewards_G, variant="released")
    difference = (torch.cat(ours) - torch.cat(plain_released_values(hidden_G_T_D, rewards_G))).abs().max()
    print(f"largest difference of a value between the released algorithm and ours: {difference:.1e}")


def measure_memory(rollouts: int, tokens: int, depth: int) -> None:
    """Print the peak resident memory of this process, inputs included."""
    hidden = [torch.randn(tokens, depth) for _ in range(rollouts)]
    before = peak_memory()
    hista_values(hidden, (torch.rand(rollouts) < 0.4).float())
    print(f"G={rollouts} T={tokens} D={depth}: {peak_memory():.2f} GB at the peak, of which {before:.2f} GB before the call")


def peak_memory() -> float:
    """The largest resident size of this process so far, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memory", action="store_true", help="measure peak memory in place of time")
    parser.add_argument("--rollouts", type=int, default=32)
    parser.add_argument("--tokens", type=int, help="default 1024, with --memory 4096")
    parser.add_argument("--depth", type=int, help="default 896, with --memory 1536")
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    if asked.memory:
        measure_memory(asked.rollouts, asked.tokens or 4096, asked.depth or 1536)
    else:
        compare_speed(asked.rollouts, asked.tokens or 1024, asked.depth or 896, asked.repeats)


if __name__ == "__main__":
    main()
