"""What a refusal says of classifiers and of steps that nothing is known of."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import Isomap
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from specreg_sklearn.certificates import NoCertificateError, distance_prover
from specreg_sklearn.metrics import certified_radius, lipschitz_bound

X, Y = load_iris(return_X_y=True)


class Unread(ClassifierMixin, BaseEstimator):
    """A classifier that nothing is known of."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return self.classes_[(np.asarray(X)[:, 0] > 5).astype(int)]


FAMILIES = (
    "trees, forests and boosting",
    "linear classifiers",
    "MLPClassifier",
    "nearest neighbours",
    "SVC",
    "Gaussian processes",
    "naive Bayes",
    "votes",
    "register_distance_prover",
)


@pytest.mark.parametrize("front", [(), (StandardScaler(),)])
def test_unknown_classifiers_are_told_what_is_provable(front):
    model = make_pipeline(*front, Unread()) if front else Unread()
    with pytest.raises(NoCertificateError) as caught:
        certified_radius(model.fit(X, Y), X[:3])
    message = str(caught.value)
    assert message.startswith("step 'unread': Unread has" if front else "Unread has no certificate")
    assert [family for family in FAMILIES if family not in message] == []
    # One reason, not one for each way to prove something.
    assert message.count("has no certificate") == 1


def test_a_list_never_names_what_was_refused():
    with pytest.raises(NoCertificateError) as caught:
        distance_prover(Unread().fit(X, Y), X, constants=False)
    assert "no proof is registered for it" in str(caught.value)
    with pytest.raises(NoCertificateError) as caught:
        lipschitz_bound(Unread().fit(X, Y))
    assert "linear classifiers" in str(caught.value) and "trees" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")
def test_unknown_steps_are_told_what_may_stand_in_front():
    model = make_pipeline(Isomap(n_components=2), LogisticRegression()).fit(X, Y)
    with pytest.raises(NoCertificateError) as caught:
        certified_radius(model, X[:3])
    message = str(caught.value)
    assert message.startswith("step 'isomap': Isomap has no certificate")
    assert "scalers" in message and "linear classifiers" not in message
