"""What a run measured, from its log: one JSON object a line, appended, whole after a kill."""

from pathlib import Path

import pandas as pd

from hista_repro.files import read_events


def read_metrics(folder: Path) -> pd.DataFrame:
    """What the run in `folder` measured, one row a step: of steps that were done twice, after an interruption, what was measured last."""
    rows = [event for event in read_events(Path(folder) / "metrics.jsonl") if event["event"] in ("update", "validation")]
    frame = pd.DataFrame(rows).drop(columns=["event", "time"])
    return frame.groupby("step", as_index=False).last()
