"""What a package index, conda and the site say is what pyproject.toml says."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import specreg_sklearn

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONDA_NAMES = {"torch": "pytorch"}


def absolute(text):
    """The function of the build hook, without hatchling, which tests do not need."""
    source = (ROOT / "hatch_build.py").read_text(encoding="utf-8")
    source = source.replace(
        "from hatchling.metadata.plugin.interface import MetadataHookInterface",
        "MetadataHookInterface = object",
    )
    hook = {}
    exec(compile(source, "hatch_build.py", "exec"), hook)
    return hook["with_absolute_links"](text, "https://example.org/us/it", "v1.2.3")


def test_every_link_and_picture_of_the_readme_is_absolute_in_a_package():
    text = absolute(README)
    targets = re.findall(r"\]\(([^)]+)\)", text) + re.findall(r'(?:src|srcset)="([^"]+)"', text)
    assert len(targets) > 5
    assert [target for target in targets if not target.startswith(("https://", "#"))] == []
    for path in re.findall(r"https://example\.org/us/it/(?:blob|raw)/v1\.2\.3/([^)\s\"]+)", text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize(
    ("relative", "wanted"),
    [
        ("[a](docs/x.rst)", "[a](https://example.org/us/it/blob/v1.2.3/docs/x.rst)"),
        ("![a b](docs/x.png)", "![a b](https://example.org/us/it/raw/v1.2.3/docs/x.png)"),
        ('<img src="docs/x.svg">', '<img src="https://example.org/us/it/raw/v1.2.3/docs/x.svg">'),
        ("[a](https://arxiv.org/abs/1)", "[a](https://arxiv.org/abs/1)"),
        ("[a](#install)", "[a](#install)"),
    ],
)
def test_a_link_becomes_absolute_where_it_is_not(relative, wanted):
    assert absolute(relative) == wanted


def test_pythons_and_addresses_are_declared():
    supported = {f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)}
    assert supported <= set(PROJECT["classifiers"])
    assert {"Source", "Documentation", "Changelog", "Issues"} <= set(PROJECT["urls"])


def test_the_recipe_has_the_version_and_the_dependencies_of_the_project():
    recipe = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text(encoding="utf-8"))
    assert recipe["context"]["version"] == specreg_sklearn.__version__
    assert recipe["about"]["homepage"] == PROJECT["urls"]["Source"]
    wanted = {f"python {PROJECT['requires-python']}"}
    for line in PROJECT["dependencies"]:
        need = Requirement(line)
        wanted.add(f"{CONDA_NAMES.get(need.name, need.name)} {need.specifier}")
    assert set(recipe["requirements"]["run"]) == wanted
    (entry,) = recipe["build"]["python"]["entry_points"]
    name, target = entry.split(" = ")
    assert PROJECT["scripts"] == {name: target}


def test_the_menu_of_versions_has_the_development_site():
    versions = json.loads((ROOT / "docs" / "_static" / "versions.json").read_text("utf-8"))
    assert versions[0]["version"] == "dev"
    assert all(entry["url"].startswith(PROJECT["urls"]["Documentation"]) for entry in versions)


def test_extras_that_messages_name_exist():
    extras = set(PROJECT["optional-dependencies"])
    named = set()
    for path in [*(ROOT / "specreg_sklearn").rglob("*.py"), *(ROOT / "docs").glob("*.rst")]:
        named |= set(re.findall(r"specreg-sklearn\[(\w+)\]", path.read_text(encoding="utf-8")))
    assert named <= extras
    assert {"onnx", "plot", "fast"} <= named
