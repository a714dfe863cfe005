"""What the package imports, read from its files, and the floors that its folders stand on."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "specreg_sklearn"


def read_floors(pyproject: Path = ROOT / "pyproject.toml") -> list[list[str]]:
    """Return the folders of each floor, from the ground up, as import-linter checks them."""
    settings = tomllib.loads(pyproject.read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [
        [module.strip().removeprefix(f"{PACKAGE}.") for module in layer.split("|")]
        for layer in reversed(layers)
    ]


def imported_names(node: ast.AST, *, for_types: bool = False) -> Iterator[str]:
    """Yield the dotted names that code imports, in functions too.

    ``from a import b`` gives ``a.b``, since `b` may be a module. What stands under
    ``if TYPE_CHECKING`` never runs, and counts only if asked for.
    """
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
    for child in ast.iter_child_nodes(node):
        never = isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING")
        if for_types or not never:
            yield from imported_names(child, for_types=for_types)


def imports_between_folders(package: Path = ROOT / PACKAGE) -> set[tuple[str, str]]:
    """Return (importer, imported) for all parts at the top of the package: folders and files."""
    found = set()
    for path in package.rglob("*.py"):
        importer = path.relative_to(package).with_suffix("").parts[0]
        for name in imported_names(ast.parse(path.read_text(encoding="utf-8"))):
            root, _, inside = name.partition(".")
            imported = inside.partition(".")[0]
            if root == package.name and imported not in ("", importer):
                found.add((importer, imported))
    return found


def module_files(package: Path = ROOT / PACKAGE) -> dict[str, Path]:
    """Return the file of every module, by its dotted name."""
    files = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


def reachable_modules(package: Path = ROOT / PACKAGE) -> set[str]:
    """Return the modules that a user can get to, from the package and its public folders.

    An import leads on, and so does a string that names a module or one beside it, as in tables of
    what is imported on first use.
    """
    files = module_files(package)
    public = {name for name, path in files.items() if name.count(".") < 2 and "._" not in name}
    todo = public | {name for name in files if name == f"{package.name}.__main__"}
    found: set[str] = set()
    while todo:
        name = todo.pop()
        found.add(name)
        tree = ast.parse(files[name].read_text(encoding="utf-8"))
        strings = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant))
        texts = {s.partition(":")[0] for s in strings if isinstance(s, str)}
        beside = {f"{name.rpartition('.')[0]}.{s}" for s in texts}
        for target in texts | beside | set(imported_names(tree, for_types=True)):
            parts = target.split(".")
            parents = {".".join(parts[: i + 1]) for i in range(len(parts))}
            todo |= (parents & set(files)) - found
    return found
