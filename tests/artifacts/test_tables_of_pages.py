import pandas as pd

from hista_repro.artifacts.tables import Captioned


def test_a_table_shows_its_caption_and_no_index():
    table = Captioned(pd.DataFrame({"estimator": ["hista"], "MAE": ["0.1 <0.2>"]}), "tiny & small")
    html = table._repr_html_()
    assert html.startswith('<table class="dataframe captioned"><caption>tiny &amp; small</caption>')
    assert html.count("<th>") == 2 and html.count("<td>") == 2 and "&lt;0.2&gt;" in html
    assert repr(table).splitlines()[0] == "tiny & small"
    assert html == Captioned(table.frame.copy(), table.caption)._repr_html_()


def test_formulas_are_mathml_and_the_rest_is_escaped():
    table = Captioned(pd.DataFrame({"a & b": [r"\hat{V}_t", "k"], "meaning": ["x < y", '"z"'], "n": [1, 2]}), "c", formulas=("a & b",))
    html = table._repr_html_()
    assert html.count("<math") == 2 and "&nbsp;" not in html and "\\hat" not in html
    assert "<th>a &amp; b</th>" in html and "<td>x &lt; y</td>" in html and '<td>"z"</td>' in html and "<td>2</td>" in html
