"""Which parameters count as typed ``Any``, and when there are too many."""

from __future__ import annotations

import ast

import pytest

from tools.count_any import loose_parameters, main

LOOSE = """
from typing import Any

def f(X: Any, y: Any, a: Any, /, b: Any, c: int, d, *e: Any, g: Any = 1, h: "Any" = 2, **k: Any):
    async def inner(m: Any, n: list[Any], o: Any | None) -> Any: ...

class C:
    def method(self, p: Any) -> Any: ...
"""


def test_parameters_of_every_kind_are_found():
    found = {(function, name) for _, function, name in loose_parameters(ast.parse(LOOSE))}
    assert found == {
        *(("f", name) for name in "abegk"),
        ("inner", "m"),
        ("method", "p"),
    }


def test_lines():
    assert loose_parameters(ast.parse("def f(\n    a: int,\n    b: Any,\n): ...")) == [
        (3, "f", "b")
    ]


@pytest.fixture
def tree(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "one.py").write_text("def f(a: Any, b: Any): ...\n")
    (tmp_path / "inner" / "two.py").write_text("def g(a: Any): ...\n")
    return tmp_path


def test_counts_by_folder(tree, capsys):
    assert main([str(tree)]) == 0
    counted = [line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()]
    assert ["2", str(tree)] in counted
    assert ["1", str(tree / "inner")] in counted
    assert counted[-1] == ["3", "parameters typed Any, outside of X and y"]


@pytest.mark.parametrize(("most", "code"), [(2, 1), (3, 0), (4, 0), (0, 1)])
def test_more_than_allowed(tree, most, code):
    assert main([str(tree), "--most", str(most)]) == code


def test_list(tree, capsys):
    main(["-v", str(tree)])
    assert f"{tree / 'inner' / 'two.py'}:1 g(a)" in capsys.readouterr().out.splitlines()
