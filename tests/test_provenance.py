import getpass
import json
import platform
import re
import shutil
import socket
import subprocess

import pytest

from hista_repro import provenance

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with one commit, of which this package seems to be part."""
    package = tmp_path / "src" / "hista_repro"
    package.mkdir(parents=True)
    (package / "module.py").write_text("")
    (tmp_path / "README.md").write_text("")
    monkeypatch.setattr(provenance, "_PACKAGE", package)
    return tmp_path


def git(folder, *arguments):
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    return subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True).stdout.strip()


@needs_git
def test_the_commit_and_whether_the_source_differs_from_it(checkout):
    git(checkout, "init", "-q")
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "first")
    clean = {"commit": git(checkout, "rev-parse", "HEAD"), "dirty": False}
    assert provenance.source_state() == clean
    (checkout / "README.md").write_text("changed")
    (checkout / "runs").mkdir()
    (checkout / "runs" / "result").write_text("")
    assert provenance.source_state() == clean
    (checkout / "src" / "hista_repro" / "new.py").write_text("")
    assert provenance.source_state() == clean | {"dirty": True}


@needs_git
def test_a_repository_around_an_installed_package_is_not_its_own(checkout, monkeypatch):
    git(checkout, "init", "-q")
    installed = checkout / ".venv" / "lib" / "python3" / "site-packages" / "hista_repro"
    monkeypatch.setattr(provenance, "_PACKAGE", installed)
    assert provenance.source_state() == {"commit": None, "dirty": None}


def test_without_git_there_is_no_commit(checkout, monkeypatch):
    (checkout / ".git").mkdir()
    monkeypatch.setenv("PATH", "")
    assert provenance.source_state() == {"commit": None, "dirty": None}


def test_versions_are_those_installed():
    versions = provenance.versions()
    assert versions["python"] == platform.python_version()
    assert {"hista-repro", "torch", "numpy", "transformers"} <= versions.keys()


def test_the_description_is_json_and_names_nobody():
    text = json.dumps(provenance.describe(), allow_nan=False)
    described = json.loads(text)
    assert described.keys() == {"commit", "dirty", "versions", "platform", "hardware"}
    assert described["hardware"]["cores"] >= 1
    assert not re.search(rf"\b{re.escape(socket.gethostname())}\b|/{re.escape(getpass.getuser())}\b|/home", text)


def test_gpus_are_named_by_the_driver(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H200'\necho 'NVIDIA H200'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert provenance.hardware()["gpus"] == ["NVIDIA H200", "NVIDIA H200"]
    tool.write_text("#!/bin/sh\necho 'no driver' >&2\nexit 9\n")
    assert provenance.hardware()["gpus"] == []
