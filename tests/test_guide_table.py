"""The page "From your table to a number" runs as it is written, and on other tables."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "guide" / "table.rst"
TABLES = {
    "examples/data/url_phishing_small.csv.gz": (1, None),
    "german_credit.csv.gz": (1, ["age", "num_dependents"]),
    "adult.csv.gz": (1, ["age", "fnlwgt"]),
    "phishing_websites.csv.gz": (1, ["age_of_domain", "web_traffic", "Page_Rank"]),
}


def code_of_the_page():
    blocks = re.findall(r"\.\. code-block:: python\n\n((?:   .*\n|\n)+)", PAGE.read_text())
    return "\n".join(re.sub("^   ", "", block, flags=re.MULTILINE) for block in blocks)


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_runs_on(name, monkeypatch, capsys):
    monkeypatch.chdir(PAGE.parents[2])
    code, (attacked, fixed) = code_of_the_page(), TABLES[name]
    if fixed is not None:
        path = Path(os.environ["SPECREG_DATA"]) / name
        first = f'path, target, attacked = "{path}", "target", {attacked}\nfixed = {fixed}\n'
        code = first + code.split("\n", 2)[2]
    said = {}
    exec(code, said)  # our own page
    print(capsys.readouterr().out)
    result, comparison = said["result"], said["comparison"].to_frame()
    assert (result.score <= result.clean).all()
    assert set(result.to_frame()["group"]) == {"0", "1", "all"}
    assert (comparison["low"] <= comparison["difference"]).all()
    fixed = said["fixed"]
    assert said["after"][fixed].equals(said["before"][fixed])
    assert (said["recall"] <= 1).all()


def test_the_page_has_code_in_every_step():
    code = code_of_the_page()
    for word in ("suggest_eps", "robustness_score", "compare_robustness", 'by="class"', "within"):
        assert word in code
    compile(code, str(PAGE), "exec")
