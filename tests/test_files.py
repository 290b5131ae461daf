import os

import pytest

from hista_repro.errors import Refused
from hista_repro.files import append_event, cache_home, claim_folder, read_events, read_json, sha256_of, write_atomically, write_json


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


def test_a_line_cut_anywhere_is_left_out_and_the_next_is_whole(tmp_path):
    path, whole = tmp_path / "log.jsonl", [{"text": "…A:15", "Größe": "π ≈ 𝟛"}, {"text": "½"}]
    for event in whole:
        append_event(path, event)
    content = path.read_bytes()
    ends = [content.index(b"\n"), len(content) - 1]
    for cut in range(len(content) + 1):
        path.write_bytes(content[:cut])
        kept = whole[: sum(cut >= end for end in ends)]
        assert read_events(path) == kept
        append_event(path, whole[0])
        assert read_events(path) == [*kept, whole[0]]


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


def test_the_cache_follows_the_platform_unless_told(tmp_path, monkeypatch):
    monkeypatch.delenv("HISTA_REPRO_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_home() == tmp_path / "hista-repro"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_home() == tmp_path / ".cache" / "hista-repro"
    monkeypatch.setenv("HISTA_REPRO_CACHE", "~/mine")
    assert cache_home() == tmp_path / "mine"
