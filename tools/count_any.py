"""Count the parameters that are typed ``Any``, outside of X and y."""

from __future__ import annotations

import ast
import sys
from collections import Counter
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
            if arg is None or arg.arg in ROWS or arg.annotation is None:
                continue
            if isinstance(arg.annotation, ast.Name) and arg.annotation.id == "Any":
                found.append((arg.lineno, node.name, arg.arg))
    return found


def main(root: str = "specreg_sklearn") -> int:
    """Print the count of each folder, and the sum; list them with ``-v``."""
    count: Counter[str] = Counter()
    for path in sorted(Path(root).rglob("*.py")):
        found = loose_parameters(ast.parse(path.read_text(encoding="utf-8")))
        count[str(path.parent)] += len(found)
        if "-v" in sys.argv:
            for line, function, parameter in found:
                print(f"{path}:{line} {function}({parameter})")
    for folder, number in count.items():
        print(f"{number:4d} {folder}")
    print(f"{sum(count.values()):4d} parameters typed Any, outside of X and y")
    return 0


if __name__ == "__main__":
    sys.exit(main(*[a for a in sys.argv[1:] if not a.startswith("-")]))
