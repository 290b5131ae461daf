import pytest
from matplotlib import pyplot as plt

from hista_repro.artifacts.comparisons import error_table, printed_panels
from hista_repro.artifacts.plotting import COLOURS, MARKERS, plot_errors, plot_shifts, save_figure
from hista_repro.artifacts.shifts import shifts
from hista_repro.errors import Refused
from hista_repro.estimators import Information


def draw(measurement):
    tables = {measurement.name: error_table(measurement, not_run={"ppo-n": "prefix"})}
    return plot_errors(tables, printed_panels(4, [measurement]))


@pytest.fixture
def errors(random_measurement):
    return draw(random_measurement)


def labels(axis):
    return [label.get_text() for label in axis.get_yticklabels()]


def notes(axis):
    return [text.get_text() for text in axis.texts]


def test_rows_are_grouped_by_information_set(errors):
    measured, printed = errors.axes
    assert labels(measured)[:5] == ["prefix:", "ppo-n", "siblings:", "loo-mean", "numca-loo"]
    assert labels(measured) == labels(printed)
    assert measured.get_title(loc="left") == "tiny on arithmetic-steps"
    assert measured.get_xlabel() == "mean absolute error (probability)"


def test_what_was_not_run_is_said_and_not_drawn(errors):
    measured, printed = errors.axes
    assert notes(measured) == ["not run", "noise floor"]
    assert set(notes(printed)) == {"not in the paper"}
    drawn = {round(float(line.get_xdata()[0]), 3) for line in printed.lines if line.get_marker() not in (None, "None")}
    assert drawn == {0.175, 0.159, 0.132, 0.142, 0.223, 0.111}


def test_markers_are_seen_whole(random_measurement):
    alike = {"Qwen": {"numca": 0.168, "hista": 0.169}}  # so close together that automatic limits leave them no room
    figure = plot_errors({"ours": error_table(random_measurement, not_run={})}, alike)
    figure.draw_without_rendering()
    printed = figure.axes[1]
    for line in printed.lines:
        if line.get_marker() not in (None, "None"):
            right = printed.transData.transform((float(line.get_xdata()[0]), 0))[0]
            assert right + line.get_markersize() / 72 * figure.dpi / 2 < printed.get_window_extent().x1


def test_information_sets_differ_in_colour_and_shape():
    assert len(set(COLOURS.values())) == len(set(MARKERS.values())) == len(Information)


def test_shifts_have_a_panel_for_each_row_and_column(random_measurement):
    tables = {name: shifts(random_measurement, name) for name in ("numca", "numca-loo")}
    figure = plot_shifts({"first": tables, "second": tables})
    assert [axis.get_title(loc="left") for axis in figure.axes] == ["first\nnumca", "\nnumca-loo", "second\nnumca", "\nnumca-loo"]
    assert figure.axes[0].get_ylabel() == "number of states"
    counted = sum(bar.get_height() for bar in figure.axes[0].patches)
    assert counted == len(tables["numca"])


def test_no_bar_reaches_the_text_above_it(random_measurement):
    high = shifts(random_measurement, "numca").assign(shift=0.7)  # where the text is
    figure = plot_shifts({"all alike": {"numca": high}})
    figure.draw_without_rendering()
    (axis,) = figure.axes
    (text,) = axis.texts
    assert text.get_window_extent().y0 > max(bar.get_window_extent().y1 for bar in axis.patches)


def test_a_figure_is_saved_in_three_forms_with_the_same_bytes_each_time(random_measurement, tmp_path, monkeypatch):
    contents = []
    for run in ("a", "b"):
        monkeypatch.setenv("HISTA_REPRO_OUT", str(tmp_path / run))
        assert save_figure(draw(random_measurement), "table-04") is None
        contents.append({path.name: path.read_bytes() for path in (tmp_path / run / "figures").iterdir()})
    assert set(contents[0]) == {"table-04.png", "table-04.svg", "table-04.pdf"}
    assert contents[0] == contents[1]


def test_a_figure_of_an_unknown_artifact_is_refused(errors, tmp_path, monkeypatch):
    monkeypatch.setenv("HISTA_REPRO_OUT", str(tmp_path / "run"))
    with pytest.raises(Refused, match="unknown artifact"):
        save_figure(errors, "table-99")
    assert not (tmp_path / "run").exists()


def test_no_figure_stays_open_to_be_shown_twice(errors):
    assert plt.get_fignums() == []
