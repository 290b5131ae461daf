import pytest

from hista_repro.artifacts.comparisons import (
    error_difference,
    error_table,
    gain_left,
    judge_errors,
    printed_errors,
    printed_panels,
    readable_differences,
    readable_errors,
    setting_differences,
)
from hista_repro.artifacts.verdicts import Interval, Word

REFERENCES = [0.5, 0.25, 0.75, 0.5, 0.25, 0.5]


def off_by(*errors):
    """Estimates that miss the references by the same amount everywhere, upwards and downwards in turn."""
    return [[r + error * (-1) ** k for k, r in enumerate(REFERENCES)] for error in errors]


def test_a_difference_is_paired(measured):
    hista, group = off_by(0.05, 0.15)
    difference = error_difference(measured({"hista": hista, "group-mean": group}, REFERENCES), "hista", "group-mean")
    assert (difference.estimate, difference.low, difference.high) == pytest.approx((-0.1, -0.1, -0.1))


def test_what_is_left_of_a_gain(measured):
    group, hista, loo, hista_loo = off_by(0.20, 0.10, 0.22, 0.17)
    share = gain_left(
        measured({"group-mean": group, "hista": hista, "loo-mean": loo, "hista-loo": hista_loo}, REFERENCES), "hista", "hista-loo"
    )
    assert (share.estimate, share.low, share.high) == pytest.approx((0.5, 0.5, 0.5))


def test_nothing_is_left_of_a_gain_that_is_none(measured):
    group, hista, loo, hista_loo = off_by(0.20, 0.20, 0.22, 0.17)
    estimates = {"group-mean": group, "hista": hista, "loo-mean": loo, "hista-loo": hista_loo}
    assert gain_left(measured(estimates, REFERENCES), "hista", "hista-loo") is None


def test_claims_are_judged_by_the_paper_s_own_numbers(measured):
    hista, group, mcs = off_by(0.05, 0.15, 0.02)
    pairs = [("Hista@40", "GRPO@40"), ("Hista@40", "MCS@1"), ("Hista@40", "PPO-N@40")]
    findings = judge_errors(measured({"hista": hista, "group-mean": group, "mcs-1": mcs}, REFERENCES), 4, pairs)
    assert [(f.claim, f.paper, f.ours, f.word) for f in findings] == [
        ("Hista@40 has a smaller error than GRPO@40", "−0.033", "−0.100 [−0.100, −0.100]", Word.AGREES),
        ("Hista@40 has a smaller error than MCS@1", "−0.081", "+0.030 [+0.030, +0.030]", Word.DISAGREES),
        ("Hista@40 has a smaller error than PPO-N@40", "−0.017", "–", Word.NOT_RUN),
    ]


def test_a_claim_is_taken_from_the_column_of_the_domain(measured):
    numca, group = off_by(0.05, 0.15)
    (finding,) = judge_errors(measured({"numca": numca, "group-mean": group}, REFERENCES, domain="science"), 4, [("Numca@40", "GRPO@40")])
    assert (finding.claim, finding.paper, finding.word) == ("Numca@40 has a larger error than GRPO@40", "+0.002", Word.DISAGREES)


def test_the_table_keeps_the_order_and_marks_what_was_not_run(random_measurement):
    table = error_table(random_measurement, not_run={"ppo-n": "prefix"})
    assert list(table["estimator"])[:4] == ["ppo-n", "loo-mean", "numca-loo", "hista-loo"]
    shown = readable_errors(random_measurement, table, printed_errors(4, "Number")).frame.set_index("estimator")
    assert list(shown.loc["ppo-n"]) == ["prefix", "not run", "not run", "not run", "0.159"]
    assert shown.loc["loo-mean", "MAE − loo-mean"] == "–"
    assert shown.loc["hista", "paper"] == "0.142"
    row = table.set_index("estimator").loc["hista"]
    assert shown.loc["hista", "MAE"] == Interval(row.mae, row.mae_low, row.mae_high).text()


def test_differences_are_put_in_words(measured):
    hista, group, mcs = off_by(0.05, 0.15, 0.05)
    shown = readable_differences(
        measured({"hista": hista, "group-mean": group, "mcs-1": mcs}, REFERENCES),
        [("hista", "group-mean"), ("group-mean", "hista"), ("hista", "mcs-1")],
    )
    assert list(shown.frame["MAE in words"]) == ["smaller", "larger", "undecided"]
    assert shown.frame["comparison"].iloc[0] == "hista − group-mean"


def test_printed_panels_are_those_of_the_domains(measured):
    estimates = dict(zip(("hista", "group-mean"), off_by(0.05, 0.15), strict=True))
    panels = printed_panels(4, [measured(estimates, REFERENCES, domain=domain) for domain in ("math", "number", "math")])
    assert list(panels) == ["Paper: Qwen2.5-3B-Instruct, Math", "Paper: Qwen2.5-3B-Instruct, Number"]
    assert panels["Paper: Qwen2.5-3B-Instruct, Math"]["mcs-3"] == 0.121


def test_the_setting_is_held_against_the_paper_s(random_measurement):
    sentences = setting_differences([random_measurement], "Qwen2.5-3B-Instruct")
    assert "Model: Qwen2.5-3B-Instruct in the paper, tiny here." in sentences
    assert not any(sentence.startswith("Continuations per state") for sentence in sentences)
