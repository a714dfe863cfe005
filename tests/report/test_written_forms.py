"""The page, the section of a model card, and what is in them that could be taken for markup."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
import skops.card
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn.report import robustness_report
from specreg_sklearn.report.document import percent

EVIL = '<script>alert("&")</script>'


class Balanced(HTMLParser):
    """Notes tags that are not closed in order, and all text."""

    ALONE = ("meta", "path", "rect", "br")

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in self.ALONE and not self.get_starttag_text().endswith("/>"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.ALONE:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def parsed(page):
    parser = Balanced()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


@pytest.fixture(scope="module")
def evil_report():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = np.where(X[:, 0] + X[:, 1] > 0, EVIL, "'\"|*")
    models = {
        EVIL: DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y),
        "a|b": DecisionTreeClassifier(max_depth=2, random_state=0).fit(X, y),
    }
    return robustness_report(
        models, X, y, eps=0.5, max_samples=10, attack="auto", feature_names=[EVIL, '"a"', "|*|"]
    )


@pytest.mark.parametrize("form", ["_repr_html_", "page"])
def test_names_are_never_markup(evil_report, tmp_path, form):
    if form == "page":
        text = evil_report.write_html(tmp_path / "report.html").read_text(encoding="utf-8")
    else:
        text = evil_report._repr_html_()
    found = parsed(text)
    assert "script" not in found.seen
    assert any(EVIL in piece for piece in found.text)
    assert "http" not in re.sub(r"<code>.*?</code>", "", text)


def test_names_are_never_markup_in_a_model_card(evil_report):
    text = evil_report.to_markdown()
    assert "<script>" not in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert len(lines) == 2 + 2


def test_two_reports_in_one_notebook_share_no_ids(flower_report, evil_report):
    ids = [re.findall(r' id="([^"]+)"', r._repr_html_()) for r in (flower_report, evil_report)]
    assert ids[0] and len(set(ids[0])) == len(ids[0])
    assert not set(ids[0]) & set(ids[1])
    page = flower_report._repr_html_()
    assert "specreg-sklearn</th>" in page
    named = {key for both in re.findall(r'labelledby="([^"]+)"', page) for key in both.split()}
    assert named == set(ids[0])


def test_a_section_of_a_skops_card(flowers, flower_report):
    *_, models, _ = flowers
    card = skops.card.Card(models["tree"])
    assert flower_report.add_to_card(card) is card
    text = card.render()
    assert "# Robustness" in text and flower_report.headline.split(";")[0] in text
    with pytest.raises(TypeError, match="card=dict is not a card"):
        flower_report.add_to_card({})


def test_a_page_is_small_and_stands_alone(flower_report, tmp_path):
    path = flower_report.write_html(tmp_path / "report.html")
    text = path.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>") and path.stat().st_size < 2e5
    for what in ("<script", "<link", "<img", "<iframe", "@import", "url(", "src="):
        assert what not in text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0"), (1, "100"), (199 / 200, "99.5"), (9999 / 10_000, "99.9"), (1e-6, "0.1"),
     (0.004, "0.4"), (0.97, "97"), (0.994, "99")],
)  # fmt: skip
def test_what_is_not_all_or_nothing_does_not_look_so(share, text):
    assert percent(share) == text
