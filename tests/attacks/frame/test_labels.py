"""Labels of any kind: the attack must see the same model whatever the classes are called."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from specreg_sklearn.attacks import ARTAttack
from specreg_sklearn.tables import UNKNOWN, LabelCoder, as_labels


@pytest.fixture(scope="module")
def reference(cancer):
    X, y, model = cancer
    return ARTAttack("HopSkipJump", max_iter=2).run(model, X[:12], y[:12], pool=X)


@pytest.mark.parametrize(
    "names",
    [
        np.array(["benign", "malign"]),
        np.array(["benign", "malign"], dtype=object),
        np.array([1, 3]),
        np.array([1, 3], dtype=np.uint8),
        np.array([False, True]),
        np.array([-1.0, 1.0]),
    ],
    ids=["text", "object", "1 and 3", "uint8", "bool", "float"],
)
def test_names_of_classes_do_not_matter(cancer, reference, names):
    X, y, _ = cancer
    labels = names[y]
    model = LogisticRegression(max_iter=1000).fit(X, labels)
    result = ARTAttack("HopSkipJump", max_iter=2).run(model, X[:12], labels[:12], pool=X)
    np.testing.assert_array_equal(result.X_adv, reference.X_adv)
    assert (model.predict(result.X_adv) != labels[:12]).all()
    assert result.status.tolist() == reference.status.tolist()


@pytest.mark.parametrize("wrap", [list, pd.Series, pd.Categorical, lambda y: pl.Series(list(y))])
def test_containers_of_y(cancer, wrap):
    X, y, _ = cancer
    labels = np.array(["no", "yes"])[y]
    model = LogisticRegression(max_iter=1000).fit(X, labels)
    result = ARTAttack("HopSkipJump", max_iter=1).run(model, X[:5], wrap(labels[:5]), pool=X)
    assert (model.predict(result.X_adv) != labels[:5]).all()


def test_coder_knows_what_it_has_seen():
    coder = LabelCoder(np.array([3, 1]), np.array([7]))
    assert coder.n_classes == 3
    assert coder.encode(np.array([7, 1, 2, 9, 3])).tolist() == [2, 0, UNKNOWN, UNKNOWN, 1]
    assert coder.encode(np.array(["7"])).tolist() == [UNKNOWN]


def test_coder_with_arbitrary_objects():
    labels = np.empty(2, dtype=object)
    labels[:] = [("a", 1), None]
    coder = LabelCoder(labels)
    assert coder.encode(labels[::-1]).tolist() == [1, 0]


def test_numbers_and_text_are_never_equal():
    with pytest.raises(ValueError, match="different kinds"):
        LabelCoder(np.array([1, 2]), np.array(["1", "2"]))


def test_columns_of_labels_are_flattened():
    assert as_labels(np.array([[1], [2]]), "y").tolist() == [1, 2]
