"""The tables of the book's page on scale, in MyST Markdown."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hista_repro.artifacts.registry import ARTIFACTS
from hista_repro.book.pages import page_link
from hista_repro.planning import plan
from hista_repro.planning.costs import Assumptions, tensor_parallel
from hista_repro.planning.scale import Training
from hista_repro.planning.shapes import shape_of

_GPU_PROFILES = ("gpu", "paper")
PAPER_MODEL = "Qwen/Qwen2.5-14B"
_CONTINUATIONS = 3
"""Of each node; what MCS@3 draws."""
_LAUNCHES = {
    "0.5B": ("zero3_4x24gb", 4, 24e9),
    "1.5B": ("zero3_4x24gb", 4, 24e9),
    "3B": ("zero2_8x80gb", 8, 80e9),
    "7B": ("zero3_2x8x80gb", 16, 80e9),
    "14B": ("zero3_2x8x80gb", 16, 80e9),
}
"""Size of a Qwen2.5 model -> accelerate's file, GPUs, and bytes of memory of each, as in Appendix G.2."""


def the_papers_size(times: int = 1) -> Training:
    """One pass over DAPO's prompts, or over so many times as many."""
    return Training(shape_of(PAPER_MODEL), prompts=17_000 * times, rollouts=32, longest=4_096)


def scale_table(assumed: Assumptions | None = None) -> str:
    """One pass over the paper's prompts and over ten times as many."""
    assumed = assumed or Assumptions()
    runs = (the_papers_size(), the_papers_size(10))
    continued = [run.continuation_hours(assumed, _CONTINUATIONS) for run in runs]
    rows = [
        ("Prompts × rollouts × tokens", [f"{run.prompts:,} × {run.rollouts} × {run.longest:,}" for run in runs]),
        ("Completion tokens, at most", [_amount(run.tokens) for run in runs]),
        ("Writing them, GPU-hours", [_hours(run.sampling_hours(assumed)) for run in runs]),
        ("Log-probabilities and gradients, GPU-hours", [_hours(run.learning_hours(assumed)) for run in runs]),
        ("Hista's distances, GPU-hours", [_hours(run.hista_hours(assumed)) for run in runs]),
        (
            f"{_CONTINUATIONS} continuations of every node, GPU-hours",
            [_hours(hours) for hours in continued],
        ),
        ("Token ids, offsets and text", [_size(run.token_bytes) for run in runs]),
        ("Hidden states of one layer, every token", [_size(run.hidden_bytes) for run in runs]),
        ("Smoothed states alone", [_size(run.smoothed_bytes) for run in runs]),
        (f"… of one step of {runs[0].prompts_per_step} prompts", [_size(run.smoothed_bytes_per_step) for run in runs]),
        ("All hidden states over one link, hours", [_hours(run.network_hours(assumed, run.hidden_bytes)) for run in runs]),
        ("Tokens and text over one link, hours", [_hours(run.network_hours(assumed, run.token_bytes)) for run in runs]),
    ]
    return _table(("", "the paper's size", "ten times that"), ((name, *cells) for name, cells in rows))


def settings_table() -> str:
    """vLLM's engines and DeepSpeed's launch for each size of Qwen2.5, on the GPUs that the paper names for it."""
    rows = []
    for size, (launch, gpus, memory) in _LAUNCHES.items():
        shape = shape_of(f"Qwen/Qwen2.5-{size}")
        parallel = tensor_parallel(shape, Assumptions(memory_bytes=memory))
        room = (memory / 2 * parallel) / shape.cache_bytes_per_token
        cells = (parallel, gpus // parallel, _size(shape.weight_bytes), _size(shape.cache_bytes_per_token), f"{room:,.0f}")
        rows.append((f"{size}, {gpus} × {memory / 1e9:.0f} GB", *map(str, cells), f"`{launch}.yaml`"))
    sizes = ("weights", "cache per token", "tokens in half of the memory")
    return _table(("Model, GPUs", "tensor parallel", "data parallel", *sizes, "DeepSpeed"), rows)


def pages_table(root: Path | None = None, assumed: Assumptions | None = None) -> str:
    """What each page takes at the two profiles for GPUs, and all of them together; pages that need no model of their own have no row."""
    planned = {profile: {row["id"]: row for row in plan(profile=profile, root=root, assumed=assumed)} for profile in _GPU_PROFILES}
    head = ["page", *(f"`{profile}`: {what}" for profile in planned for what in ("GPU-hours", "disk"))]
    rows = []
    pages = {name: page_link(artifact) for name, artifact in ARTIFACTS.items()}
    for name, page in {**pages, "all": "all, and what pages share once"}.items():
        found = [amounts.get(name) for amounts in planned.values()]
        if any(row and row["tokens"] for row in found):
            rows.append([page, *(cell for row in found for cell in _page_cells(row))])
    return _table(head, rows)


def _page_cells(row: Mapping[str, Any] | None) -> tuple[str, str]:
    """GPU-hours and disk of a row of a plan; with a question mark where a part could not be counted."""
    if row is None or not row["tokens"]:
        return "–", "–"
    return _hours(row["gpu_hours"]) + (" + ?" if row["unknown"] else ""), _size(row["disk_gb"] * 1e9)


def assumptions_list(assumed: Assumptions | None = None) -> str:
    """What the tables assume, one a line."""
    assumed = assumed or Assumptions()
    return (
        f"- {assumed.gpu}: {assumed.peak_flops / 1e12:.0f} TFLOP/s in bfloat16, from its data sheet;\n"
        f"- writing reaches {assumed.sampling_utilisation:.0%} of that, reading and gradients {assumed.training_utilisation:.0%};\n"
        f"- one link between nodes carries {_size(assumed.network_bytes_per_second)} a second.\n"
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---", *("---:" for _ in head[1:])], *map(list, rows))]
    return "\n".join(lines) + "\n"


def _amount(number: float) -> str:
    return f"{number / 1e9:,.2f} billion"


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 10 else f"{hours:.2g}"


def _size(amount: float) -> str:
    """Bytes in the unit that leaves one to three digits before the point."""
    for unit, one in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if amount >= one:
            return f"{amount / one:.3g} {unit}"
    return f"{amount:.0f} B"


def scale_page(root: Path | None = None, assumed: Assumptions | None = None) -> dict[str, str]:
    """Name of a part of the page -> the part; `root` is the checkout whose notebooks are planned."""
    parts = {"assumptions": assumptions_list(assumed), "scale": scale_table(assumed), "settings": settings_table()}
    return {**parts, "pages_at_scale": pages_table(root, assumed)}
