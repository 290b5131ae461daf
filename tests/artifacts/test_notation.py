from dataclasses import replace
from pkgutil import resolve_name

import pytest
import torch
from docutils.utils.math.latex2mathml import tex2mathml

from hista_repro.artifacts.notation import OURS, hold, readable_notation
from hista_repro.artifacts.notation_checks import judge_notation
from hista_repro.artifacts.notation_figure import plot_tensors
from hista_repro.artifacts.verdicts import Word
from hista_repro.estimators.hista import Hista
from hista_repro.estimators.node_kernel import smoothed_rows
from hista_repro.estimators.nodes import node_ends
from hista_repro.paper import paper_notation


@pytest.fixture(scope="module")
def held(small_build):
    return hold(small_build)


def words(held):
    return {finding.claim: finding.word for finding in judge_notation(held, "tiny")}


def test_every_symbol_is_there_once_and_is_a_formula():
    printed = paper_notation()
    assert printed["block"].value_counts(sort=False).to_dict() == {"SVEB": 9, "Numca": 9, "Hista": 18, "Proof": 16}
    assert not printed["symbol"].duplicated().any() and (printed != "").all(axis=None)
    assert all(tex2mathml(symbol) for symbol in printed["symbol"])


def test_every_symbol_but_those_of_the_proofs_has_something_that_holds_it():
    printed = paper_notation()
    assert list(OURS) == list(printed.loc[printed["block"] != "Proof", "symbol"])
    for _, holder in OURS.values():
        module, _, field = holder.rpartition(".")
        found = resolve_name(f"hista_repro.{module}")
        fields = getattr(found, "__dataclass_fields__", {})
        assert hasattr(found, field) or field in fields or holder == "sveb.benchmark.Benchmark.states", holder


def test_shapes_are_those_of_the_tensors(held):
    shapes, pipeline = held.shapes, held.pipeline
    assert set(shapes) <= set(OURS)
    assert shapes[r"\mathbf{X}"] == " × ".join(map(str, pipeline.hidden_T_D.shape))
    assert shapes[r"\mathbf{E}_\tau"] == " × ".join(map(str, pipeline.rows_R_D.shape))
    assert shapes[r"\hat{V}{}_{\mathrm{PW}}"] == str(len(pipeline.values_N))
    assert shapes["n"] == "4" and shapes[r"\mathcal{D}_r"] == "G = 6" and shapes["L"] == "3"
    table = readable_notation(held, "Hista")
    assert list(table.frame["symbol"]) == list(OURS)[18:]
    assert table._repr_html_().count("<math") == 18
    assert "here" not in readable_notation(held, "Proof").frame


def test_the_library_holds_what_the_paper_defines_but_for_its_own_choices(held):
    found = words(held)
    differing = [claim for claim, word in found.items() if word is not Word.AGREES]
    assert differing == ["η counts the tokens of a state", "α may be anything from 0 to 1"]


def test_wrong_tensors_are_found_out(held):
    pipeline = held.pipeline
    wrong = replace(
        held,
        pipeline=replace(pipeline, rows_R_D=pipeline.rows_R_D[1:], distances_M_M=1 + 1000 * torch.rand_like(pipeline.distances_M_M)),
        scores=held.scores.assign(reference=1 - held.scores["reference"]).iloc[1:],
    )
    found, before = words(wrong), words(held)
    changed = {claim for claim in found if found[claim] is not before[claim]}
    assert len(changed) == 4 and {found[claim] for claim in changed} == {Word.DISAGREES}


def test_a_state_has_fewer_rows_than_the_formula_says_where_not_every_token_has_one(held):
    pipeline, group = held.pipeline, held.group
    rows = smoothed_rows(group, -1, held.alpha, 2)
    nodes = node_ends([len(rows_R_D) for rows_R_D in rows], pipeline.stride)
    distances_M_M = Hista(interval=2, stride=pipeline.stride).distances(group, nodes, nodes)
    coarse = {"interval": 2, "rows_R_D": rows[pipeline.rollout], "nodes": tuple(nodes), "distances_M_M": distances_M_M}
    found, before = words(replace(held, pipeline=replace(pipeline, **coarse))), words(held)
    assert {claim for claim in found if found[claim] is not before[claim]} == {"The i-th state of a rollout has iδ rows"}


def test_nothing_is_claimed_where_there_is_nothing_to_check(held):
    same = replace(held.pipeline, distances_M_M=torch.zeros_like(held.pipeline.distances_M_M))
    assert words(replace(held, pipeline=same))["A value weights the k nearest rewards by ω = 1/MD"] is Word.NOT_COMPARABLE


def test_the_figure_names_every_tensor_with_its_shape(held):
    shown = [text.get_text() for text in plot_tensors(held.pipeline).axes[0].texts]
    assert f"rows_R_D\n{' × '.join(map(str, held.pipeline.rows_R_D.shape))}" in shown
    assert len(shown) == 10
