"""Wherever a user gives a norm, one that is not known is refused by name."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from scipy.spatial.distance import minkowski
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

import specreg_sklearn
from specreg_sklearn import (
    FeatureSpace,
    RobustLinearProbe,
    SpectrallyRegularizedEncoder,
    attacks,
    inspection,
    metrics,
    objectives,
    robustness_report,
)
from specreg_sklearn.attacks import BlackBoxAttack, resolve_attack
from specreg_sklearn.space import NORMS, Norm

X, y = load_iris(return_X_y=True)
X, y = X[:100] / X.std(axis=0), y[:100]
MODEL = LogisticRegression().fit(X, y)
ATTACKED = "2 or np.inf"
PROVED = "1 or 2 or np.inf"
MEASURED = "0 or 1 or 2 or np.inf"


class ToyAttack(BlackBoxAttack):
    """Goes half as far from the best points as they are, in random directions."""

    _norms = (0, 1)

    def _search(self, task):
        rows = task.active()
        for t in range(5):
            step = task.rng(t).normal(size=task.x.shape[1])
            task.oracle.decide(task.oracle.best[rows] + 0.1 * step, rows)


def runs(attack, **parameters):
    """Return a function of the norm that runs an attack."""
    return lambda norm: attack(norm=norm, **parameters).run(MODEL, X[:3], y[:3], eps=0.5, pool=X)


def fits(objective):
    """Return a function of the norm that trains with an objective."""
    return lambda norm: SpectrallyRegularizedEncoder(
        objective=objective(epsilon=0.1, norm=norm), max_iter=1
    ).fit(X, y)


def displays(name, method, *args, **options):
    return lambda norm: getattr(getattr(inspection, name), method)(*args, norm=norm, **options)


ROWS = {"X": X[:2], "X_adv": X[2:4]}
LABELS = {"y_true": y[:2], "y_pred": y[:2], "y_pred_adv": 1 - y[:2]}

ENTRIES = {
    "FeatureSpace.distances": (
        lambda norm: FeatureSpace.from_data(X).distances(X, X, norm=norm),
        MEASURED,
    ),
    "CGBA": (runs(attacks.CGBA), "2"),
    "TangentAttack": (runs(attacks.TangentAttack), "2"),
    "RayS": (runs(attacks.RayS), "np.inf"),
    "HopSkipJump": (runs(attacks.HopSkipJump), ATTACKED),
    "SquareAttack": (runs(attacks.SquareAttack), ATTACKED),
    "ThresholdSearch": (runs(attacks.ThresholdSearch), "0 or 1 or 2"),
    "ScoreSearch": (runs(attacks.ScoreSearch), PROVED),
    "GradientAttack": (runs(attacks.GradientAttack), PROVED),
    "Strongest": (runs(attacks.Strongest), MEASURED),
    "ARTAttack": (runs(attacks.ARTAttack, name="HopSkipJump"), ATTACKED),
    "BlackBoxAttack": (runs(ToyAttack), "0 or 1"),
    "resolve_attack": (lambda norm: resolve_attack("auto", norm=norm), MEASURED),
    "robust_accuracy_score": (
        lambda norm: metrics.robust_accuracy_score(MODEL, X, y, eps=0.1, norm=norm),
        MEASURED,
    ),
    "robustness_score": (
        lambda norm: metrics.robustness_score(MODEL, X, y, eps=0.1, norm=norm, by="class"),
        MEASURED,
    ),
    "compare_robustness": (
        lambda norm: metrics.compare_robustness({"a": MODEL, "b": MODEL}, X, y, eps=1, norm=norm),
        MEASURED,
    ),
    "suggest_eps": (lambda norm: metrics.suggest_eps(X, y, norm=norm), MEASURED),
    "adversarial_distances": (
        lambda norm: metrics.adversarial_distances(MODEL, X, y, norm=norm),
        MEASURED,
    ),
    "adversarial_band": (lambda norm: metrics.adversarial_band(MODEL, X, y, norm=norm), MEASURED),
    "robustness_report": (lambda norm: robustness_report(MODEL, X, y, norm=norm), MEASURED),
    "certified_radius": (
        lambda norm: metrics.certified_radius(MODEL, X, norm=norm, scale=None),
        MEASURED,
    ),
    "certified_accuracy_score": (
        lambda norm: metrics.certified_accuracy_score(MODEL, X, y, eps=0.1, norm=norm),
        MEASURED,
    ),
    "make_robust_scorer": (lambda norm: metrics.make_robust_scorer(eps=1, norm=norm), MEASURED),
    "make_robust_scorer, proved": (
        lambda norm: metrics.make_robust_scorer("certified_accuracy", eps=1, norm=norm),
        MEASURED,
    ),
    "instance_margins": (lambda norm: inspection.instance_margins(MODEL, X, norm=norm), PROVED),
    "local_linearity": (
        lambda norm: inspection.local_linearity(MODEL, X, eps=0.1, norm=norm),
        ATTACKED,
    ),
    "gradient_masking_report": (
        lambda norm: inspection.gradient_masking_report(MODEL, X, y, eps=[0.1], norm=norm),
        ATTACKED,
    ),
    "RobustnessCurveDisplay": (
        lambda norm: inspection.RobustnessCurveDisplay(eps=[0, 1], attack=[1, 0], norm=norm),
        MEASURED,
    ),
    "RobustnessCurveDisplay.from_estimator": (
        displays("RobustnessCurveDisplay", "from_estimator", MODEL, X, y),
        MEASURED,
    ),
    "RobustnessCurveDisplay.from_estimator, proved": (
        displays("RobustnessCurveDisplay", "from_estimator", MODEL, X, y, attack=None),
        MEASURED,
    ),
    "RobustnessCurveDisplay.from_estimators": (
        displays("RobustnessCurveDisplay", "from_estimators", {"a": MODEL}, X, y),
        MEASURED,
    ),
    "RobustnessCurveDisplay.from_predictions": (
        displays("RobustnessCurveDisplay", "from_predictions", y, y, distances=np.ones(len(y))),
        MEASURED,
    ),
    "AdversarialExamplesDisplay": (
        lambda norm: inspection.AdversarialExamplesDisplay(**ROWS, **LABELS, norm=norm),
        MEASURED,
    ),
    "AdversarialExamplesDisplay.from_estimator": (
        displays("AdversarialExamplesDisplay", "from_estimator", MODEL, X, y),
        MEASURED,
    ),
    "AdversarialExamplesDisplay.from_predictions": (
        displays("AdversarialExamplesDisplay", "from_predictions", **ROWS, **LABELS),
        MEASURED,
    ),
    "MarginDisplay.from_estimator": (
        displays("MarginDisplay", "from_estimator", MODEL, X, y, kind="logit"),
        PROVED,
    ),
    "Adversarial": (fits(objectives.Adversarial), "1, 2 or inf"),
    "Gradient": (fits(objectives.Gradient), "1, 2 or inf"),
    "Linearity": (fits(objectives.Linearity), "1, 2 or inf"),
    "Trades": (fits(objectives.Trades), "1, 2 or inf"),
    "VAT": (fits(objectives.VAT), "1, 2 or inf"),
    "RobustLinearProbe": (lambda norm: RobustLinearProbe(norm=norm).fit(X, y), PROVED),
}
# What measured in a norm says so, and takes no norm from a user.
RESULTS = {"AdversarialBand", "RobustnessScore", "InstanceMargins"}


@pytest.mark.parametrize("norm", [7, -1, "l1", True, None, np.nan, [2]], ids=repr)
@pytest.mark.parametrize("entry", ENTRIES)
def test_an_unknown_norm_is_refused_by_name(entry, norm):
    call, accepted = ENTRIES[entry]
    with pytest.raises(ValueError) as error:
        call(norm)
    message = str(error.value)
    assert message.startswith(f"norm={norm!r} ")
    assert f"accepted: {accepted}." in message or message.endswith(f"must be {accepted}.")


def takes_a_norm(function):
    return callable(function) and "norm" in inspect.signature(function).parameters


def test_no_entry_is_left_out():
    """Whatever public function, class or constructor takes a norm is tried above."""
    found = set()
    for module in (specreg_sklearn, attacks, metrics, inspection, objectives):
        for name in module.__all__:
            thing = getattr(module, name)
            if not callable(thing) or (inspect.isclass(thing) and issubclass(thing, BaseException)):
                continue  # errors have no signature
            if takes_a_norm(thing):
                found.add(name)
            if inspect.isclass(thing):
                public = [m for m in dir(thing) if not m.startswith("_")]
                found |= {f"{name}.{m}" for m in public if takes_a_norm(getattr(thing, m))}
    assert found - set(ENTRIES) - RESULTS == set()


@pytest.mark.parametrize("norm", [0, 1])
def test_an_attack_measures_in_the_norm_that_it_states(norm):
    """Distances, the nearest point kept, and the last bisection: all in the attack's norm."""
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    result = ToyAttack(norm=norm).run(MODEL, X[::10], y[::10], space=space, pool=X)
    assert result.success.all()
    moved = np.abs(result.X_adv - X[::10])
    expected = (moved > 0).sum(axis=1) if norm == 0 else moved.sum(axis=1)
    np.testing.assert_allclose(result.distances, expected, rtol=1e-12)


class L3(Norm):
    order = 3

    def length(self, steps):
        return np.cbrt((np.abs(steps) ** 3).sum(axis=1))


def test_one_class_adds_a_norm(monkeypatch):
    """Distances, attacks, scores and displays know it, and messages list it."""
    monkeypatch.setitem(NORMS, 3, L3())
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    expected = [minkowski(u, v, p=3) for u, v in zip(X[1:], X[:-1], strict=True)]
    np.testing.assert_allclose(space.distances(X[1:], X[:-1], norm=3), expected)

    class InL3(ToyAttack):
        _norms = (3,)

    result = InL3(norm=3).run(MODEL, X[::10], y[::10], space=space, pool=X)
    expected = [minkowski(u, v, p=3) for u, v in zip(result.X_adv, X[::10], strict=True)]
    np.testing.assert_allclose(result.distances, expected)
    found = metrics.adversarial_distances(MODEL, X, y, norm=3, attack=InL3(norm=3), space=space)
    np.testing.assert_allclose(found[::10], result.distances)
    display = inspection.AdversarialExamplesDisplay(**ROWS, **LABELS, norm=3)
    np.testing.assert_allclose(display.distances, space.distances(X[2:4], X[:2], norm=3))
    with pytest.raises(ValueError, match=r"accepted: 0 or 1 or 2 or np\.inf or 3\."):
        space.distances(X, X, norm=7)


def test_scores_take_the_norm_of_an_attack_of_the_users_own():
    options = {"norm": 1, "attack": ToyAttack(norm=1), "scale": None}
    found = metrics.adversarial_distances(MODEL, X, y, **options)
    # A linear model is fooled no nearer in L1 than the margin over the largest slope.
    exact = np.abs(MODEL.decision_function(X)) / np.abs(MODEL.coef_).max()
    assert (found >= exact * (1 - 1e-9)).all() and np.isfinite(found).all()
    radii = metrics.certified_radius(MODEL, X, norm=1, scale=None)
    np.testing.assert_allclose(radii, exact, rtol=1e-6)
    for certify in (False, True):
        score = metrics.robust_accuracy_score(MODEL, X, y, eps=1.0, certify=certify, **options)
        assert score == np.mean(found > 1.0)
    # The default attack comes as near as that.
    space = FeatureSpace.from_data(X, bounds=None, scale=None)
    ratio = metrics.adversarial_distances(MODEL, X, y, norm=1, space=space) / exact
    assert ratio.min() >= 1 - 1e-9 and np.median(ratio) < 1.01
    near, zero = KNeighborsClassifier().fit(X, y), {"norm": 0, "attack": ToyAttack(norm=0)}
    with pytest.raises(ValueError, match="norm=0 is not supported by certify=True of KNe"):
        metrics.robust_accuracy_score(near, X, y, eps=1.0, certify=True, **zero)
