"""The page in a real browser: Chromium, headless. What it looks like is for people to look at."""

import shutil
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn.report import robustness_report
from tests.report._browser import browser

WIDTHS = (400, 1400)
NEEDED = ("chromium", "chromedriver")


@pytest.fixture(scope="module")
def window():
    missing = [name for name in NEEDED if shutil.which(name) is None]
    assert not missing, f"{missing} is not there; install the packages chromium and chromium-driver"
    with browser() as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_fits_says_what_it_shows_and_loads_nothing(
    window, flower_report, tmp_path, width, dark
):
    path = flower_report.write_html(tmp_path / "report.html")
    window.open(path, width, dark=dark)
    assert window.run("return document.documentElement.scrollWidth") <= width
    inside = "e => e.closest('.wide, details:not([open])')"
    over = window.run(
        f"const inside = {inside};"
        "return [...document.querySelectorAll('main *')].filter(e => !inside(e) && "
        "e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"
    )
    assert over == []
    # What scrolls by itself on a narrow screen is on a wide one as wide as it is.
    wide = window.run(
        "return [...document.querySelectorAll('.wide')]"
        ".filter(e => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1).length"
    )
    assert width < 1000 or wide == 0
    pictures = window.run(
        "return [...document.querySelectorAll('svg')].map(e => [e.getAttribute('role'), "
        "...e.getAttribute('aria-labelledby').split(' ').map("
        "id => document.getElementById(id).textContent), "
        "!!e.closest('figure').querySelector('details table')])"
    )
    assert len(pictures) == 4 * 2
    assert all(role == "img" and title and said for role, title, said, _ in pictures)
    assert all(behind for *_, behind in pictures)
    assert window.console() == []
    asked = window.run("return performance.getEntriesByType('resource').map(e => e.name)")
    assert asked == []
    scripts = window.run("return document.querySelectorAll('script, link, img, iframe').length")
    assert scripts == 0


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_words_stand_out_from_the_page(window, flower_report, tmp_path, dark):
    """The contrast of WCAG 2.2 AA, 4.5, for every word that is not in a picture."""
    path = flower_report.write_html(tmp_path / "report.html")
    window.open(path, 1000, dark=dark)
    contrasts = window.run(
        """
        const light = c => {
          const [r, g, b] = c.match(/[\\d.]+/g).slice(0, 3).map(v => v / 255).map(
            v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const page = light(getComputedStyle(document.querySelector('.specreg')).backgroundColor);
        const words = [...document.querySelectorAll('main *')].filter(e => !e.closest('svg, pre') &&
          [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()));
        return words.map(e => light(getComputedStyle(e).color)).map(
          c => (Math.max(c, page) + 0.05) / (Math.min(c, page) + 0.05));
        """
    )
    assert len(contrasts) > 100
    assert min(contrasts) >= 4.5


@pytest.mark.slow
def test_headings_are_in_order_and_tables_have_heads(window, flower_report, tmp_path):
    path = flower_report.write_html(tmp_path / "report.html")
    window.open(path, 1000)
    levels = window.run(
        "return [...document.querySelectorAll('h1, h2, h3')].map(e => +e.tagName[1])"
    )
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    bare = window.run(
        "return [...document.querySelectorAll('table')].filter(e => !e.caption || "
        "!e.querySelector('th[scope=col]') || !e.querySelector('th[scope=row]')).length"
    )
    assert bare == 0
    assert window.run("return document.documentElement.lang") == "en"


@pytest.fixture(scope="module")
def long_report():
    """Three models and forty columns with long names, of which one model has no proof."""
    X, y = make_classification(400, 40, n_informative=9, n_classes=3, random_state=0)
    names = [f"average_number_of_transactions_in_the_last_{k}_months_by_channel" for k in range(40)]
    frame = pd.DataFrame(1e4 * X, columns=names)
    labels = np.array(["accepted without a review", "manual review", "fraud"])[y]
    tree = DecisionTreeClassifier(max_depth=3, random_state=0)
    models = {
        "the_candidate_of_november_with_all_of_the_columns": tree,
        "incumbent, 2024": DecisionTreeClassifier(max_depth=2, random_state=0),
        "opaque": make_pipeline(FunctionTransformer(np.tanh), StandardScaler(), GaussianNB()),
    }
    for model in models.values():
        model.fit(frame[:200], labels[:200])
    return robustness_report(
        models, frame[200:], labels[200:], eps=0.4, max_samples=20, attack="auto", max_nodes=20
    )


@pytest.mark.slow
@pytest.mark.parametrize("width", WIDTHS)
def test_long_names_fit(window, long_report, tmp_path, width):
    path = long_report.write_html(tmp_path / "report.html")
    window.open(path, width)
    assert window.run("return document.documentElement.scrollWidth") <= width
    outside = window.run(
        "return [...document.querySelectorAll('svg text')].filter(e => {"
        "const box = e.getBBox(), room = e.ownerSVGElement.viewBox.baseVal;"
        "return box.x < -1 || box.x + box.width > room.width + 1 ||"
        " box.y + box.height > room.height + 4}).map(e => e.textContent)"
    )
    assert outside == []


@pytest.mark.slow
def test_a_page_that_is_printed_is_light(window, long_report, tmp_path):
    path = long_report.write_html(tmp_path / "report.html")
    window.open(path, 1000, dark=True)
    dark = [{"name": "prefers-color-scheme", "value": "dark"}]
    for media, wanted in (("screen", "rgb(20, 24, 29)"), ("print", "rgb(255, 255, 255)")):
        window.tell("Emulation.setEmulatedMedia", media=media, features=dark)
        page = window.run("return getComputedStyle(document.querySelector('.specreg')).background")
        assert page.startswith(wanted)
    window.tell("Emulation.setEmulatedMedia", media="", features=[])
