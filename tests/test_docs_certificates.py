"""The pages on certificates: their code runs, and what they say of it is true."""

import inspect
import re
import runpy
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import FastICA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from specreg_sklearn.attacks import FeatureSpace
from specreg_sklearn.metrics import adversarial_distances, certified_radius, lipschitz_bound

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def step():
    return runpy.run_path(str(DOCS / "extend" / "own_step.py"), run_name="documentation")


@pytest.fixture(scope="module")
def cancer():
    return load_breast_cancer(return_X_y=True)


@pytest.mark.slow
def test_the_guide_runs_from_top_to_bottom(capsys):
    text = (DOCS / "guide" / "certificates.rst").read_text(encoding="utf-8")
    blocks = re.findall(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", text, re.MULTILINE)
    names = {"__name__": "guide"}
    with torch.random.fork_rng():  # a layer made by hand draws from torch's own generator
        for block in blocks:
            exec(compile(inspect.cleandoc("\n" + block), "certificates.rst", "exec"), names)
    model, X, y = names["model"], names["X_test"], names["y_test"]
    right = model.predict(X) == y
    assert (names["low"] > 0).all()
    assert (names["low"][right] <= names["high"][right]).all()
    assert "The layer '1' (LayerNorm) has no Lipschitz bound" in capsys.readouterr().out
    certified = names["search"].cv_results_["mean_test_certified"]
    assert np.argmax(certified) == names["search"].best_index_
    assert certified[2] > certified[0]
    raw = np.median(certified_radius(model, X, scale=None))
    assert raw < 0.1 * np.median(names["low"])  # small, where columns are small


def test_example_step_is_what_its_stages_say(step, cancer):
    X, _ = cancer
    fitted = step["SoftClip"]().fit(X)
    rows = X[:50]
    error = np.zeros_like(rows)
    for stage in fitted.__certified_stages__("transformer"):
        rows, error = stage.forward(rows, error)
    np.testing.assert_allclose(rows, fitted.transform(X[:50]), rtol=1e-14)
    # The affine part is known exactly; arcsinh is bounded by numpy in extended precision.
    for i, j in np.ndindex(5, X.shape[1]):
        parts = (float(X[i, j]), float(fitted.center_[j]), float(fitted.factor_[j]))
        value, centre, factor = map(Fraction, parts)
        inside = (value - centre) * factor
        exact = np.arcsinh(np.longdouble(inside.numerator) / np.longdouble(inside.denominator))
        assert abs(exact - rows[i, j]) <= error[i, j]


def test_example_step_is_never_steeper_than_its_constant(step, cancer):
    X, _ = cancer
    fitted = step["SoftClip"]().fit(X)
    bound = lipschitz_bound(fitted)
    rng = np.random.default_rng(0)
    moved = X + 0.01 / fitted.factor_ * rng.normal(size=X.shape)
    steps = np.linalg.norm(fitted.transform(moved) - fitted.transform(X), axis=1)
    assert (steps <= bound * np.linalg.norm(moved - X, axis=1)).all()
    centre = np.tile(fitted.center_, (2, 1))
    steepest = fitted.factor_.argmax()
    centre[1, steepest] += 1e-6 / fitted.factor_.max()
    a, b = fitted.transform(centre)
    rise = np.linalg.norm(a - b) / np.linalg.norm(centre[1] - centre[0])
    assert rise == pytest.approx(bound, rel=1e-6)  # attained, up to the curvature


def test_example_step_is_certified_and_no_attack_gets_inside(step, cancer):
    X, y = cancer
    model = step["model"].fit(X, y)
    space = FeatureSpace.from_data(X, bounds=None)
    rows = slice(0, 15)
    right = model.predict(X[rows]) == y[rows]
    proved = certified_radius(model, X[rows], space=space)
    found = adversarial_distances(model, X[rows], y[rows], space=space)
    assert (proved > 0).all()
    assert (proved[right] <= found[right]).all()


def test_a_subclass_with_its_own_transform_is_not_covered(step, cancer):
    X, _ = cancer

    class Louder(step["SoftClip"]):
        def transform(self, X):
            return 2 * super().transform(X)

    with pytest.raises(TypeError, match="Louder has no certificate: it overrides transform"):
        lipschitz_bound(Louder().fit(X))


def test_example_rule_is_what_its_class_computes(step, cancer):
    X, y = cancer
    fitted = FastICA(5, random_state=0).fit(X)
    rows = X[:50]
    error = np.zeros_like(rows)
    for stage in step["fast_ica_stages"](fitted):
        rows, error = stage.forward(rows, error)
    assert (np.abs(rows - fitted.transform(X[:50])) <= 2 * error).all()
    # The map is linear: its constant is the largest singular value.
    exact = np.linalg.svd(fitted.components_, compute_uv=False)[0]
    assert exact * (1 - 1e-9) <= lipschitz_bound(fitted) <= exact * (1 + 1e-7)
    model = make_pipeline(FastICA(5, random_state=0), LogisticRegression(C=10.0)).fit(X, y)
    assert (certified_radius(model, X, scale=None) > 0).any()
    with pytest.raises(TypeError, match=r"step 'fastica': FastICA\(whiten=False\)"):
        certified_radius(model.set_params(fastica__whiten=False), X, scale=None)
