"""The import rule of the house, as a contract that ``lint-imports`` checks.

From another folder one imports from its ``__init__`` alone: a module whose name begins with an
underscore is private to the folder that it lies in. import-linter knows the package only, and skips
imports for type checkers; this contract reads the files of every root as text, tests and benchmarks
too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, cast

import grimp
from importlinter import Contract, ContractCheck, fields, output


class PrivateImport(NamedTuple):
    """An import that reaches into another folder.

    Parameters
    ----------
    path : pathlib.Path
        The file that imports.
    line : int
        Where.
    module : str
        The private module that it imports.
    """

    path: Path
    line: int
    module: str


def imported_modules(tree: ast.AST, folder: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Yield the line and the dotted name of everything that a file of a folder imports.

    ``from a import b`` gives ``a.b``, since `b` may be a module. Dots in front of a name go up from
    `folder`, whose names are those from the base on.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = folder[: len(folder) + 1 - node.level] if node.level else ()
            start = [*above, *([node.module] if node.module else [])]
            yield from ((node.lineno, ".".join([*start, alias.name])) for alias in node.names)


def module_path(name: str, base: Path) -> Path | None:
    """Return the file of the longest part of a dotted name that is a module, if there is one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        path = base.joinpath(*parts[:length])
        if path.with_suffix(".py").is_file():
            return path.with_suffix(".py")
        if (path / "__init__.py").is_file():
            return path / "__init__.py"
    return None


def own_folders(path: Path, base: Path, roots: list[str]) -> set[Path]:
    """Return the folders whose private modules a file may import.

    They are its own, and for a test the one that its folder mirrors: ``tests/space`` looks into
    ``specreg_sklearn/space``.
    """
    folder = path.parent
    mirrored = folder.relative_to(base).parts
    if mirrored[0] != "tests":
        return {folder}
    return {folder, base.joinpath(*mirrored[1:])} | {
        base.joinpath(root, *mirrored[1:]) for root in roots if root != "tests"
    }


def private_imports(base: Path, roots: list[str], ground: set[str]) -> list[PrivateImport]:
    """Return every import of a module that is private to another folder.

    Parameters
    ----------
    base : pathlib.Path
        The folder that the roots lie in.
    roots : list of str
        Folders whose files are read.
    ground : set of str
        Private modules that everybody may import.

    Returns
    -------
    list of PrivateImport
        In the order of files and lines.
    """
    found = []
    for root in roots:
        for path in sorted((base / root).rglob("*.py")):
            mine = own_folders(path, base, roots)
            folder = path.parent.relative_to(base).parts
            for line, name in imported_modules(ast.parse(path.read_text(encoding="utf-8")), folder):
                target = module_path(name, base)
                if target is None or not target.stem.startswith("_") or target.stem == "__init__":
                    continue
                module = ".".join(target.relative_to(base).with_suffix("").parts)
                if target.parent not in mine and module not in ground:
                    found.append(PrivateImport(path.relative_to(base), line, module))
    return found


class OwnFolderContract(Contract):
    """Private modules are imported in their own folder only.

    Options in the configuration: `roots`, the folders whose files are read, and `ground`, the
    private modules that everybody may import.
    """

    roots = fields.ListField(subfield=fields.StringField())
    ground = fields.ListField(subfield=fields.StringField())

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        """Read the files; the graph is not needed."""
        # import-linter puts the configured values on the instance under the names of the fields,
        # but its types know the `ListField` of the class alone.
        roots, ground = cast("list[str]", self.roots), set(cast("list[str]", self.ground))
        found = private_imports(Path.cwd(), roots, ground)
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print a line for each import that breaks the rule."""
        for path, line, module in check.metadata["found"]:
            output.print_error(f"{path}:{line} imports {module}, which is private to its folder")
