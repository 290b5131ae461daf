import pytest

from hista_repro.source_files import code_digest, parse_source

CODE = '''"""What it is."""

import os  # for the separator

SHAPE = 3
"""Rows."""


def f(x):
    """Says more
    than one line."""
    # why
    text = """a

    # b"""
    return os.sep + text + f"{x}"
'''


def test_what_a_source_names_and_spells():
    source = parse_source(
        "import os\nfrom hista_repro.files import read_json\nfrom . import x\ny = ['hista_repro.seeding', 'hista_reproduced']"
    )
    assert source.names == {"hista_repro.files", "hista_repro.files.read_json", "hista_repro.seeding"}
    assert source.strings == {"hista_repro.seeding", "hista_reproduced"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("What it is", "What it was"),
        ("Rows", "Columns"),
        ("than one line", "than\n    two lines"),
        ("    # why\n", ""),
        ("\n\n\n", "\n\n"),
        ('    """Says more\n    than one line."""\n', ""),
    ],
)
def test_prose_is_not_code(old, new):
    assert parse_source(CODE.replace(old, new)).digest == parse_source(CODE).digest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SHAPE = 3", "SHAPE = 4"),
        ("    # b", "    # c"),
        ('"""a\n\n', '"""a\n'),
        ('"""Rows."""', '"""Rows."""; SHAPE = 4'),
        ('"{x}"', '"{x} "'),
    ],
)
def test_code_is(old, new):
    assert parse_source(CODE.replace(old, new)).digest != parse_source(CODE).digest


def test_a_digest_over_files_and_folders(tmp_path):
    for name, text in {"a.py": "x = 1", "b/c.py": "y = 1", "b/d.yaml": "z: 1  # why"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    places = (tmp_path / "a.py", tmp_path / "b")
    before = code_digest(*places)
    (tmp_path / "a.py").write_text("# why\nx = 1")
    assert code_digest(*places) == before
    (tmp_path / "b" / "d.yaml").write_text("z: 1")
    after = code_digest(*places)
    assert after != before
    (tmp_path / "b" / "c.py").rename(tmp_path / "b" / "e.py")
    assert code_digest(*places) != after
