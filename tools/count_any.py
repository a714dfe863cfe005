"""Count the parameters that are typed ``Any``, outside of X and y.

Run from the root of a checkout: ``python tools/count_any.py -v``.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

ROWS = {"X", "y"}


def loose_parameters(tree: ast.AST) -> list[tuple[int, str, str]]:
    """Return (line, function, parameter) for every parameter whose type is just ``Any``."""
    found = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        given = node.args
        every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        for arg in every:
            if arg is None or arg.arg in ROWS:
                continue
            if isinstance(arg.annotation, ast.Name) and arg.annotation.id == "Any":
                found.append((arg.lineno, node.name, arg.arg))
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the count of each folder, and the sum; return 1 if there are more than allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", nargs="?", type=Path, default=Path("specreg_sklearn"))
    parser.add_argument("-v", "--verbose", action="store_true", help="list them, too")
    parser.add_argument("--most", type=int, metavar="N", help="how many are allowed")
    given = parser.parse_args(arguments)
    count: Counter[str] = Counter()
    for path in sorted(given.root.rglob("*.py")):
        found = loose_parameters(ast.parse(path.read_text(encoding="utf-8")))
        count[str(path.parent)] += len(found)
        if given.verbose:
            for line, function, parameter in found:
                print(f"{path}:{line} {function}({parameter})")
    for folder, number in count.items():
        print(f"{number:4d} {folder}")
    allowed = "" if given.most is None else f"; {given.most} are allowed"
    print(f"{count.total():4d} parameters typed Any, outside of X and y{allowed}")
    return int(given.most is not None and count.total() > given.most)


if __name__ == "__main__":
    sys.exit(main())
