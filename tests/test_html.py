"""What a notebook shows of results: complete, closed tags, and nothing that is not escaped."""

from __future__ import annotations

from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from specreg_sklearn import FeatureSpace, make_robust_scorer
from specreg_sklearn.attacks import CGBA, AttackResult
from specreg_sklearn.metrics import adversarial_band

X, Y = load_iris(return_X_y=True)


class Page(HTMLParser):
    """Text and rows of a page; raises where a tag is not closed."""

    def __init__(self, html):
        super().__init__()
        self.open, self.cells, self.text = [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        if tag == "tr":
            self.cells.append([])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1].append(data)


def test_an_attack_shows_counts_and_its_first_rows():
    model = LogisticRegression().fit(X, Y)
    result = CGBA(max_queries=100).run(model, X[::5], Y[::5])
    page = Page(result._repr_html_())
    assert page.cells[0] == ["row", "status", "distance", "queries", "found by"]
    assert len(page.cells) == 21 and "and 10 more" in page.text
    for i, cells in enumerate(page.cells[1:]):
        assert cells[0] == str(i) and cells[1] == result.status[i]
        assert float(cells[2]) == pytest.approx(result.distances[i], rel=1e-3)
    n_found = int((result.status == "found").sum())
    assert any(text.startswith(f"{n_found} of 30 rows: fooled") for text in page.text)


def test_a_strange_word_is_escaped():
    result = AttackResult(
        X_adv=X[:1],
        distances=np.array([np.inf]),
        success=np.array([False]),
        status=np.array(["<script>"]),
        n_queries=np.array([3]),
    )
    page = Page(result._repr_html_())
    assert page.cells == [page.cells[0], ["0", "<script>", "inf", "3"]]


def test_a_scorer_shows_its_settings_and_its_space():
    frame = pd.DataFrame(X, columns=["<b>a", "b", "c", "d"])
    space = FeatureSpace.from_data(frame, mutable=["<b>a"])
    page = Page(make_robust_scorer(eps=0.3, space=space)._repr_html_())
    assert ["eps", "0.3"] in page.cells and ["max_samples", "100"] in page.cells
    assert any("<b>a" in " ".join(cells) for cells in page.cells)
    assert ["eps", "0.3"] not in Page(make_robust_scorer("certified_accuracy")._repr_html_()).cells


def test_a_band_is_closed_html():
    model = LogisticRegression().fit(X, Y)
    page = Page(adversarial_band(model, X, Y, max_samples=3)._repr_html_())
    assert len(page.cells) == 4
