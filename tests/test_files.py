import os

import pytest

from hista_repro.errors import Refused
from hista_repro.files import claim_folder, read_json, sha256_of, write_atomically, write_json


def test_a_failed_write_keeps_the_old_content_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})

    def half(temporary):
        temporary.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_atomically(path, half)
    assert read_json(path) == {"x": 1}
    assert os.listdir(tmp_path) == ["a.json"]


def test_not_a_number_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert os.listdir(tmp_path) == []


def test_a_folder_is_held_by_one_process(tmp_path):
    with claim_folder(tmp_path / "a"), pytest.raises(Refused, match="another process"), claim_folder(tmp_path / "a"):
        pass
    with claim_folder(tmp_path / "a"):
        pass


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused, match="cannot write to"), claim_folder(tmp_path / "file" / "folder"):
        pass


def test_digests_see_names_and_contents_but_not_compiled_python(tmp_path):
    (tmp_path / "a.py").write_text("1")
    before = sha256_of(tmp_path)
    (tmp_path / "a.pyc").write_text("x")
    assert sha256_of(tmp_path) == before
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert sha256_of(tmp_path) != before
