from io import StringIO

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

BLOCK = ".. math::\n   :label: value\n\n   V(s) = \\frac{1}{n} \\sum_{i=1}^n R_i\n"


@pytest.fixture
def render(tmp_path):
    """(a page in reStructuredText) -> (its HTML, the warnings)."""

    def build(text: str) -> tuple[str, str]:
        (tmp_path / "index.rst").write_text(f"Title\n=====\n\n{text}\n")
        warnings = StringIO()
        settings = {"extensions": ["hista_repro.sphinxext.mathml"], "html_math_renderer": "mathml"}
        folders = (str(tmp_path), None, str(tmp_path / "out"), str(tmp_path / "doctrees"))
        with patch_docutils(), docutils_namespace():
            Sphinx(*folders, "html", settings, status=None, warning=warnings, freshenv=True).build()
        return (tmp_path / "out" / "index.html").read_text(), warnings.getvalue()

    return build


def test_formulas_become_mathml_and_no_script_is_loaded(render):
    html, warnings = render(f"Inline :math:`\\hat V(s_t)`.\n\n{BLOCK}\nSee :eq:`value`.")
    assert warnings == ""
    assert html.count("<math ") == 2 and 'display="block"' in html
    assert "<mfrac>" in html and "MathJax" not in html
    assert '<span class="eqno">(1)' in html and 'href="#equation-value"' in html and 'id="equation-value"' in html


def test_a_formula_that_cannot_be_read_is_a_warning_with_its_place(render):
    _, warnings = render("Inline :math:`\\nosuchcommand{x}`.")
    assert "index.rst:4" in warnings and "\\nosuchcommand" in warnings
