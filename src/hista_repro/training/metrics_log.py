"""What a run measured, from its log: one JSON object a line, appended, whole after a kill."""

from pathlib import Path

import pandas as pd

from hista_repro.files import read_events


def read_metrics(folder: Path) -> pd.DataFrame:
    """What the run in `folder` measured, one row a step; no row where it has measured nothing.

    Of an update or a validation that was done twice, after an interruption, all numbers are those of the last.
    """
    rows = [event for event in read_events(Path(folder) / "metrics.jsonl") if event["event"] in ("update", "validation")]
    frame = pd.DataFrame(rows, columns=None if rows else ["event", "step", "time"])
    kept = frame.drop_duplicates(["event", "step"], keep="last").drop(columns=["event", "time"])
    return kept.groupby("step", as_index=False).last()
