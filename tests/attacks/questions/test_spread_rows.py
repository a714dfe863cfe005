"""The rows of a large pool that a model is asked about."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from specreg_sklearn.attacks import CGBA
from specreg_sklearn.attacks.questions import MAX_ASKED, spread_rows
from specreg_sklearn.metrics import robust_accuracy_score
from specreg_sklearn.tables import as_table

COLUMNS = np.arange(3)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(3 * MAX_ASKED, 3)) * [1.0, 1e6, 1e-6]


def test_small_pools_stay_whole(rows):
    some = as_table(rows[:500])
    np.testing.assert_array_equal(spread_rows(some, COLUMNS), np.arange(500))
    assert len(spread_rows(some, COLUMNS, size=499)) == 499


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame])
def test_the_choice_follows_the_contents_and_not_the_order(rows, container):
    order = np.random.default_rng(1).permutation(len(rows))
    one = rows[spread_rows(as_table(container(rows)), COLUMNS)]
    two = rows[order][spread_rows(as_table(container(rows[order])), COLUMNS)]
    assert len(one) == MAX_ASKED
    assert set(map(tuple, one)) == set(map(tuple, two))


def test_every_part_of_the_data_is_there(rows):
    """Of each tenth of a column about a third of the rows is taken, whatever its units."""
    chosen = rows[spread_rows(as_table(rows), COLUMNS)]
    for column in range(3):
        ends = np.quantile(rows[:, column], np.linspace(0, 1, 11))
        counts, _ = np.histogram(chosen[:, column], ends)
        assert (np.abs(counts / 3000 - 1 / 3) < 0.05).all()


def test_gaps_and_infinities_do_not_stop_it(rows):
    broken = rows.copy()
    broken[::7, 0], broken[::11, 1] = np.nan, np.inf
    chosen = spread_rows(as_table(broken), COLUMNS)
    assert len(np.unique(chosen)) == MAX_ASKED


class Counting:
    def __init__(self, model):
        self.model, self.sizes = model, []

    def predict(self, Z):
        self.sizes.append(len(Z))
        return self.model.predict(Z)


def test_a_large_pool_is_not_asked_as_a_whole(rows):
    y = (rows[:, 0] > 0).astype(int)
    frame = pd.DataFrame(rows, columns=list("abc"))
    frame["whole"] = np.arange(len(frame))
    model = Counting(LogisticRegression().fit(frame.iloc[:200] / [1, 1e6, 1e-6, 1e5], y[:200]))
    robust_accuracy_score(
        model, frame, y, eps=0.1, max_samples=20, attack=CGBA(max_queries=40), certify=False
    )
    assert max(model.sizes) == MAX_ASKED
    assert sum(size > 1000 for size in model.sizes) == 1


def test_the_order_of_a_large_pool_changes_nothing(rows):
    y = (rows[:, 0] > 0).astype(int)
    model = LogisticRegression().fit(rows[:200], y[:200])
    attack, some = CGBA(max_queries=60), slice(0, 8)
    order = np.random.default_rng(1).permutation(len(rows))
    one = attack.run(model, rows[some], y[some], pool=rows)
    two = attack.run(model, rows[some], y[some], pool=rows[order])
    np.testing.assert_allclose(one.distances, two.distances, rtol=1e-9)
