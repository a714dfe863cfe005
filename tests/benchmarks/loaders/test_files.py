"""Where files are looked for, and what is said when they are missing or wrong."""

from __future__ import annotations

import hashlib
import os

import pytest

from benchmarks import loaders
from benchmarks.loaders import _files
from benchmarks.loaders._files import DataFile

LOADERS = sorted(name for name in loaders.__all__ if name.startswith("load_"))


@pytest.fixture
def file(tmp_path):
    (tmp_path / "rows.bin").write_bytes(b"rows")
    return DataFile("rows.bin", hashlib.sha256(b"rows").hexdigest(), "the attic.")


def test_found_by_argument_or_variable(file, tmp_path, monkeypatch):
    monkeypatch.delenv("SPECREG_DATA", raising=False)
    assert file.find(tmp_path) == tmp_path / "rows.bin"
    assert file.find(str(tmp_path)) == tmp_path / "rows.bin"
    monkeypatch.setenv("SPECREG_DATA", str(tmp_path))
    assert file.find() == tmp_path / "rows.bin"


def test_the_argument_wins_over_the_variable(file, tmp_path, monkeypatch):
    monkeypatch.setenv("SPECREG_DATA", str(tmp_path))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with pytest.raises(FileNotFoundError, match=r"elsewhere.* named by data_home"):
        file.find(elsewhere)


@pytest.mark.parametrize("value", [None, ""])
def test_no_folder_named(file, monkeypatch, value):
    monkeypatch.delenv("SPECREG_DATA", raising=False)
    if value is not None:
        monkeypatch.setenv("SPECREG_DATA", value)
    with pytest.raises(FileNotFoundError) as error:
        file.find()
    message = str(error.value)
    for part in ("rows.bin", "data_home is None", "SPECREG_DATA is not set", file.sha256, "attic"):
        assert part in message


@pytest.mark.parametrize("folder", ["empty", "missing", "rows.bin"])
def test_missing_file(file, tmp_path, monkeypatch, folder):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("SPECREG_DATA", str(tmp_path / folder))
    with pytest.raises(FileNotFoundError) as error:
        file.find()
    message = str(error.value)
    wanted = ("rows.bin was not", folder, "variable SPECREG_DATA", file.sha256, "the attic.")
    for part in wanted:
        assert part in message


def test_wrong_content(file, tmp_path):
    (tmp_path / "rows.bin").write_bytes(b"r0ws")
    found = hashlib.sha256(b"r0ws").hexdigest()
    with pytest.raises(ValueError, match=rf"rows\.bin.*{found}.*{file.sha256}.*the attic\."):
        file.find(tmp_path)


@pytest.mark.parametrize("data_home", [3, ["a"], object()])
def test_a_folder_that_is_no_path(file, data_home):
    with pytest.raises(TypeError, match=r"data_home=.* give the path of a folder"):
        file.find(data_home)


def test_a_file_is_hashed_again_only_when_it_changed(file, tmp_path, monkeypatch):
    calls = []
    digest = hashlib.file_digest

    def counted(stream, name):
        calls.append(name)
        return digest(stream, name)

    monkeypatch.setattr(_files.hashlib, "file_digest", counted)
    for _ in range(3):
        file.find(tmp_path)
    assert len(calls) == 1
    path = tmp_path / "rows.bin"
    before = path.stat()
    path.write_bytes(b"r0ws")  # as long as before, so that only the time tells
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    with pytest.raises(ValueError, match="SHA-256"):
        file.find(tmp_path)
    assert len(calls) == 2


@pytest.mark.parametrize("name", LOADERS)
def test_every_loader_says_what_is_missing(name, tmp_path):
    load = getattr(loaders, name)
    with pytest.raises(FileNotFoundError, match=r"SHA-256 [0-9a-f]{64}\. To obtain it: .{40}"):
        load(data_home=tmp_path)
    with pytest.raises(TypeError, match="positional"):
        load(tmp_path)


def test_a_bad_subset_is_named_before_files_are_looked_for(tmp_path):
    for name in ("load_mnist", "load_cifar10", "load_adult", "load_nsl_kdd"):
        with pytest.raises(ValueError, match="subset='Test'"):
            getattr(loaders, name)(data_home=tmp_path, subset="Test")
