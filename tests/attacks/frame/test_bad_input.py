"""What goes wrong on the user's side is said plainly: models, labels, eps, norms, predict."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.dummy import DummyClassifier

from specreg_sklearn import attacks
from specreg_sklearn.attacks import CGBA, FeatureSpace
from specreg_sklearn.attacks.frame._picklable_errors import picklable_error
from specreg_sklearn.metrics import adversarial_distances, make_robust_scorer, robust_accuracy_score

QUICK = CGBA(max_queries=60)


class FullDiskError(Exception):
    """An exception that only its own arguments can build, as many libraries have them."""

    def __init__(self, device, *, left):
        super().__init__(f"{device} is full: {left} bytes left")
        self.device, self.left = device, left


class Breaks:
    """A threshold that raises after some calls, or only on rows of large first column."""

    def __init__(self, error, calls=0, beyond=np.inf):
        self.error, self.calls, self.beyond = error, calls, beyond

    def predict(self, X):
        self.calls -= 1
        if self.calls < 0 and (np.isinf(self.beyond) or (X[:, 1] == self.beyond).any()):
            raise self.error()
        return (X[:, 0] > 0.5).astype(int)


def full_disk():
    return FullDiskError("sda1", left=3)


def memory():
    return MemoryError("no room for the kernel matrix")


@pytest.fixture(scope="module")
def line():
    """Twenty rows on a line; column 1 is the number of the row."""
    X = np.column_stack([np.linspace(0, 1, 20), np.arange(20.0)])
    return X, (X[:, 0] > 0.5).astype(int), FeatureSpace.from_data(X, mutable=[0])


@pytest.mark.parametrize(
    ("eps", "message"),
    [
        ([0.5, 0.1], r"eps=\[0.5, 0.1\] is not increasing: 0.1 comes after 0.5"),
        ([0, 0.2, 0.2], r"is not increasing: 0.2 comes after 0.2.*from the smallest to the larg"),
        (np.array([1.0, 2.0, 1.5]), "1.5 comes after 2"),
        ([0.1, np.inf, np.inf], "inf comes after inf"),
        ([0.1, -0.1], r"eps=-0.1 is not a distance"),
    ],
)
def test_eps_must_increase(line, eps, message):
    X, y, space = line
    with pytest.raises(ValueError, match=message):
        robust_accuracy_score(Breaks(memory, 99), X, y, eps=eps, space=space, attack=QUICK)


def test_an_increasing_eps_is_a_curve(line):
    X, y, space = line
    model = Breaks(memory, 99999)
    curve = robust_accuracy_score(model, X, y, eps=(0, 0.3, 9), space=space, attack=QUICK)
    assert curve.shape == (3,) and curve[0] == 1 and curve[2] == 0


@pytest.mark.parametrize("use", [robust_accuracy_score, adversarial_distances])
def test_a_norm_that_the_attack_does_not_know(line, use):
    X, y, space = line
    eps = {"eps": 0.1} if use is robust_accuracy_score else {}
    message = r"norm=inf is not supported by CGBA; accepted: 2\. For norm=inf use RayS"
    with pytest.raises(ValueError, match=message):
        use(Breaks(memory, 99), X, y, norm=np.inf, attack="cgba", space=space, **eps)


def test_norms_are_checked_before_anything_runs(line):
    X, y, space = line
    message = "norm=inf is not supported by CGBA.*RayS"
    with pytest.raises(ValueError, match=message):
        make_robust_scorer(eps=0.1, norm=np.inf, attack="cgba")
    with pytest.raises(ValueError, match=message):
        CGBA(norm=np.inf).run(Breaks(memory), X, y, space=space)
    with pytest.raises(
        ValueError, match=r"by CGBA; accepted: 2\. For norm=1 use ThresholdSearch\.$"
    ):
        CGBA(norm=1).run(Breaks(memory), X, y, space=space)
    for name in {"RayS", "SquareAttack"} & set(attacks.__all__):
        with pytest.raises(ValueError, match=f"norm='L2' is not supported by {name}"):
            getattr(attacks, name)(norm="L2").run(Breaks(memory), X, y, space=space)


class Unsure:
    """Gives some answers that are no label, from the first call on or only beyond the data."""

    def __init__(self, missing, labels, from_start):
        self.missing, self.labels, self.from_start = missing, labels, from_start

    def predict(self, X):
        out = np.asarray(self.labels)[(X[:, 0] > 0.5).astype(int)].astype(object)
        between = (X[:, 0] > 0.5) & (X[:, 0] < 0.52)
        out[: 3 if self.from_start else 0] = self.missing
        out[between] = self.missing
        return out if isinstance(self.labels[0], str) else out.astype(float)


@pytest.mark.parametrize("labels", [(0.0, 1.0), ("no", "yes")])
@pytest.mark.parametrize("from_start", [True, False])
def test_a_model_that_returns_nan(line, labels, from_start):
    X, _, space = line
    y = np.asarray(labels)[(X[:, 0] > 0.5).astype(int)]
    model = Unsure(np.nan, labels, from_start)
    with pytest.raises(
        ValueError, match=r"predict returned NaN or None for \d+ of \d+ rows"
    ) as caught:
        QUICK.run(model, X, y, space=space)
    if not from_start:
        assert "changes of rows" in caught.value.__notes__[0]


@pytest.mark.parametrize("missing", [None, np.nan])
def test_a_model_that_returns_nothing_for_some_rows(line, missing):
    X, _, space = line
    y = np.where(X[:, 0] > 0.5, "yes", "no")
    with pytest.raises(ValueError, match="predict returned NaN or None for 3 of 20 rows"):
        QUICK.run(Unsure(missing, ("no", "yes"), True), X, y, space=space)


def test_a_model_that_knows_one_label(line):
    X, y, space = line
    model = DummyClassifier(strategy="constant", constant=1).fit(X, y)
    with pytest.warns(UserWarning, match="for 10 of 10 rows.*predicts one class only"):
        result = QUICK.run(model, X, y, space=space)
    assert result.status.tolist() == ["already_wrong"] * 10 + ["start_failed"] * 10
    with (
        pytest.warns(UserWarning, match="10 of 10 correctly classified rows are undecided"),
        pytest.warns(UserWarning, match="predicts one class only"),
    ):
        options = {"eps": 0.1, "space": space, "attack": QUICK}
        assert robust_accuracy_score(model, X, y, certify=False, **options) == 0.5
    # A proof decides what the attack cannot, and there is nothing to warn of.
    assert robust_accuracy_score(model, X, y, **options) == 0.5


def test_labels_that_are_all_the_same(line):
    """y may be constant: the model decides what other classes there are."""
    X, y, space = line
    model = Breaks(memory, 99999)
    ones = np.ones(20, dtype=int)
    result = QUICK.run(model, X, ones, space=space)
    assert (result.status[y == 0] == "already_wrong").all()
    assert (result.status[y == 1] == "found").all()


def test_no_row_of_another_class(line):
    """Noise finds what the data does not hold; if it fails too, that is said."""
    X, y, space = line
    model = Breaks(memory, 99999)
    zeros = X[y == 0]
    result = QUICK.run(model, zeros, y[y == 0], space=space, pool=zeros)
    assert (result.status == "found").all()
    tight = FeatureSpace.from_data(zeros, mutable=[0])
    message = r"found no adversarial row to start from for 10 of 10 rows.*one class only"
    with pytest.warns(UserWarning, match=message):
        result = QUICK.run(model, zeros, y[y == 0], space=tight)
    assert np.isinf(result.distances).all()
    np.testing.assert_array_equal(result.X_adv, zeros)


@pytest.mark.parametrize("error", [full_disk, memory])
def test_an_error_in_predict_surfaces_with_its_rows(line, error):
    X, y, space = line
    kind = type(error())
    with pytest.raises(kind, match=str(error())) as caught:
        QUICK.run(Breaks(error, calls=2, beyond=13.0), X[10:14], y[10:14], space=space, pool=X)
    assert caught.value.__notes__ == [
        "This happened while changes of rows 0, 1, 2, 3 were predicted."
    ]


def test_an_error_on_the_clean_rows_is_the_models_own(line):
    X, y, space = line
    with pytest.raises(FullDiskError, match="sda1 is full"):
        QUICK.run(Breaks(full_disk), X, y, space=space)


def test_an_error_in_a_worker_surfaces_with_its_rows(line):
    """The second worker fails on row 13, in another process."""
    X, y, space = line
    with pytest.raises(FullDiskError, match="sda1 is full: 3 bytes left") as caught:
        QUICK.run(Breaks(full_disk, calls=1, beyond=13.0), X, y, space=space, n_jobs=2)
    assert caught.value.device == "sda1" and caught.value.left == 3
    assert "changes of rows 10, 11, 12, 13" in caught.value.__notes__[0]
    # Where it happened over there is told as well.
    assert "in predict" in str(caught.value.__cause__)


@pytest.mark.parametrize("error", [full_disk, memory])
def test_an_error_in_a_thread_surfaces_with_its_rows(line, error):
    X, y, space = line
    with parallel_config("threading"), pytest.raises(type(error())) as caught:
        QUICK.run(Breaks(error, calls=1, beyond=13.0), X, y, space=space, n_jobs=2)
    assert "changes of rows 10, 11, 12, 13" in caught.value.__notes__[0]


@pytest.mark.parametrize("error", [full_disk, memory])
def test_errors_that_travel_arrive_as_they_were(error):
    sent = error()
    sent.add_note("This happened while changes of row 3 were predicted.")
    sent.handle = lambda: None
    arrived = pickle.loads(pickle.dumps(picklable_error(sent)))
    assert type(arrived) is type(sent)
    assert str(arrived) == str(sent) and arrived.__notes__ == sent.__notes__
    # What cannot travel stays behind; an error that can is not touched.
    assert not hasattr(arrived, "handle")
    plain = ValueError("no")
    assert picklable_error(plain) is plain


def test_errors_leave_no_warnings_behind(line):
    X, y, space = line
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(MemoryError):
            QUICK.run(Breaks(memory, calls=3), X, y, space=space)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mutable": ["price"]}, "unknown column 'price'; X has columns"),
        ({"bounds": {"price": (0, 1)}}, "bounds names the unknown column 'price'"),
        ({"types": {"price": "real"}}, "types names the unknown column 'price'"),
        ({"mutable": ["x", "city"]}, "'city', which are categorical.*or give a repair"),
        ({"bounds": {"x": (40, 50)}}, r"'x' are \(40.0, 50.0\), but its values in X go from 1"),
        ({"bounds": None}, "scale='std' gives no unit.*: 'constant'"),
    ],
)
def test_spaces_that_do_not_fit_their_data(options, message):
    X = pd.DataFrame({"x": [1.0, 2.0, 3.0], "constant": 1.0, "city": ["a", "b", "a"]})
    with pytest.raises(ValueError, match=message):
        FeatureSpace.from_data(X, **options)
