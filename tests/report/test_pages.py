"""The pages on the report: every key is described, and the README's commands run."""

import re
import shlex
from pathlib import Path

import joblib
from sklearn.datasets import load_breast_cancer
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn.report.command_line import main

ROOT = Path(__file__).parents[2]
# What stands under these keys is named by the data, the model or another format.
FREE = {"parameters", "versions", "space", "statuses"}


def keys_of(part):
    """Yield every key of a report, but not of what others name."""
    if isinstance(part, dict):
        for key, value in part.items():
            yield key
            if key not in FREE:
                yield from keys_of(value)
    elif isinstance(part, list):
        for value in part:
            yield from keys_of(value)


def test_the_page_on_the_schema_has_every_key(flower_report):
    page = (ROOT / "docs/guide/report_schema.rst").read_text(encoding="utf-8")
    named = set(re.findall(r"``(\w+)``", page))
    keys = set(keys_of(flower_report.to_dict())) | {"category", "message"}
    assert keys - named == set()


def test_the_commands_of_the_readme_and_the_guide_lead_to_a_verified_report(
    tmp_path, monkeypatch, capsys
):
    pages = [
        (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "docs/guide/report.rst")
    ]
    commands = [
        re.findall(r"^ *specreg ((?:report|verify) .*test\.csv --target.*)$", p, re.M)
        for p in pages
    ]
    assert commands[0] == commands[1] and len(commands[0]) == 2
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    joblib.dump(
        DecisionTreeClassifier(max_depth=3, random_state=0).fit(X[::2], y[::2]),
        tmp_path / "model.joblib",
    )
    X[1::2].assign(label=y[1::2]).to_csv(tmp_path / "test.csv", index=False)
    monkeypatch.chdir(tmp_path)
    for command in commands[0]:
        assert main(shlex.split(command)) == 0
    assert "Everything held." in capsys.readouterr().out
