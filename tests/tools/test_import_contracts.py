"""The import rule on a small tree of its own: every way to break it is found, nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest
from importlinter.domain.contract import ContractCheck

from tools.import_contracts import OwnFolderContract, private_imports

ROOTS = ["lib", "tests", "benchmarks"]
GROUND = {"lib._ground"}
FILES = (
    "lib/__init__.py",
    "lib/_ground.py",
    "lib/_top.py",
    "lib/near/__init__.py",
    "lib/near/_inner.py",
    "lib/near/deep/__init__.py",
    "lib/near/deep/_deepest.py",
    "lib/far/__init__.py",
    "lib/far/_inner.py",
    "lib/far/open.py",
    "benchmarks/near/_timing.py",
)


@pytest.fixture
def violations(tmp_path):
    """Return what the contract finds once a file of the tree holds some text."""
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")

    def found(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return private_imports(tmp_path, ROOTS, GROUND)

    return found


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (1, "from lib.far._inner import thing"),
        (1, "from lib.far import _inner"),
        (1, "from lib.far import open, _inner"),
        (1, "import lib.far._inner"),
        (1, "import os, lib.far._inner as inner"),
        (1, "from ..far._inner import thing"),
        (1, "from ..far import _inner"),
        (4, "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import lib.far._inner"),
        (2, "def late():\n    from lib.far._inner import thing\n    return thing"),
        (3, "class A:\n    def late(self):\n        from lib.far import _inner"),
        (2, "try:\n    import lib.far._inner\nexcept ImportError:\n    pass"),
    ],
)
def test_every_kind_of_import_is_found(violations, line, text):
    (found,) = violations("lib/near/_reaches.py", text)
    assert found == (Path("lib/near/_reaches.py"), line, "lib.far._inner")


@pytest.mark.parametrize(
    "text",
    [
        "from lib.near._inner import thing",
        "from lib.near import _inner",
        "from . import _inner",
        "from ._inner import thing",
        "from lib.far import thing",
        "from lib.far import _a_private_name_but_no_module",
        "from lib.far.open import thing",
        "from lib._ground import thing",
        "from lib import _ground",
        "import lib._ground",
        "import lib.far",
        "from numpy._core import multiarray",
        "import _thread",
        "'from lib.far._inner import thing'  # from lib.far._inner import thing",
    ],
)
def test_own_folder_ground_and_public_names_are_allowed(violations, text):
    assert violations("lib/near/_stays.py", text) == []


@pytest.mark.parametrize(
    ("file", "text", "module"),
    [
        ("lib/near/deep/_a.py", "from lib.near._inner import x", "lib.near._inner"),
        ("lib/near/deep/_a.py", "from .._inner import x", "lib.near._inner"),
        (
            "lib/near/_a.py",
            "from lib.near.deep import _deepest",
            "lib.near.deep._deepest",
        ),
        ("lib/near/_a.py", "from lib._top import x", "lib._top"),
        ("lib/_a.py", "from lib.near._inner import x", "lib.near._inner"),
    ],
)
def test_folders_above_and_below_are_other_folders(violations, file, text, module):
    assert [found.module for found in violations(file, text)] == [module]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("tests/near/test_inner.py", "from lib.near._inner import thing"),
        ("tests/near/test_inner.py", "from lib.near import _inner"),
        ("tests/near/test_inner.py", "from benchmarks.near._timing import thing"),
        ("tests/near/deep/test_deepest.py", "import lib.near.deep._deepest"),
        ("tests/benchmarks/near/test_timing.py", "from benchmarks.near._timing import thing"),
        ("tests/test_top.py", "from lib._top import thing"),
    ],
)
def test_a_test_looks_into_the_folder_that_its_own_mirrors(violations, file, text):
    assert violations(file, text) == []


@pytest.mark.parametrize(
    ("file", "text", "module"),
    [
        ("tests/far/test_x.py", "from lib.near._inner import x", "lib.near._inner"),
        ("tests/test_x.py", "from lib.near import _inner", "lib.near._inner"),
        (
            "tests/near/test_x.py",
            "from lib.near.deep._deepest import x",
            "lib.near.deep._deepest",
        ),
        ("tests/near/deep/test_x.py", "from lib.near._inner import x", "lib.near._inner"),
        (
            "tests/near/test_x.py",
            "def test():\n    import lib.far._inner",
            "lib.far._inner",
        ),
        (
            "tests/benchmarks/near/test_x.py",
            "from lib.near._inner import x",
            "lib.near._inner",
        ),
        (
            "benchmarks/far/run.py",
            "from benchmarks.near._timing import x",
            "benchmarks.near._timing",
        ),
        ("benchmarks/near/run.py", "from lib.near._inner import x", "lib.near._inner"),
    ],
)
def test_other_tests_and_benchmarks_are_refused(violations, file, text, module):
    assert [(str(f.path), f.module) for f in violations(file, text)] == [(file, module)]


def test_all_are_told_in_the_order_of_files_and_lines(violations, tmp_path):
    violations("tests/far/test_x.py", "import lib.near._inner\nimport lib.far._inner\n")
    violations("lib/far/_b.py", "import lib.near._inner\nimport lib.near._inner\n")
    found = violations("lib/far/_a.py", "\n\nfrom lib.near import _inner\n")
    assert [(str(f.path), f.line) for f in found] == [
        ("lib/far/_a.py", 3),
        ("lib/far/_b.py", 1),
        ("lib/far/_b.py", 2),
        ("tests/far/test_x.py", 1),
    ]


def test_the_contract_is_broken_by_one_import(violations, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    options = {"roots": ROOTS, "ground": sorted(GROUND)}
    contract = OwnFolderContract("rule", {}, options)
    assert contract.check(graph=None, verbose=False).kept
    violations("lib/near/_reaches.py", "import lib.far._inner")
    check = contract.check(graph=None, verbose=False)
    assert isinstance(check, ContractCheck)
    assert not check.kept
    contract.render_broken_contract(check)
    told = capsys.readouterr().out
    assert "lib/near/_reaches.py:1 imports lib.far._inner" in told
