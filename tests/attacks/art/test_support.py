"""What the documentation says about ART's attacks is what they do.

Run as a script, this file writes the table of the user guide.
"""

from __future__ import annotations

import importlib
import inspect
import random
from pathlib import Path

import numpy as np
import pytest

from specreg_sklearn.attacks import ARTAttack, FeatureSpace
from specreg_sklearn.attacks.art._support import REASONS, REFUSED, SUPPORTED, check_art_name
from tests.grids import few_fast

PAGE = Path(__file__).parents[3] / "docs" / "guide" / "art_support.inc"
IMAGE = (1, 8, 8)
# Small runs, and numbers that let each attack find something in them.
SMALL = {
    "HopSkipJump": {"max_iter": 3},
    "BoundaryAttack": {"max_iter": 40},
    "SignOPTAttack": {"max_iter": 3},
    "ZooAttack": {"max_iter": 20},
    "SimBA": {"max_iter": 200},
    "SquareAttack": {"max_iter": 60},
    "ThresholdAttack": {"max_iter": 3},
    "PixelAttack": {"max_iter": 5, "th": 8},
}
EPS = {"SquareAttack": 0.8}


def render() -> str:
    """Return the tables of the user guide."""
    lines = [".. This file is written by tests/attacks/art/test_support.py; do not edit it.", ""]
    rows = [["Attack", "Tables", "Images", "Norms", "Asks for", "Remarks"]]
    for name, support in SUPPORTED.items():
        norms = ", ".join("Linf" if n == np.inf else f"L{n}" for n in support.norms)
        tables = "no" if support.images else "yes"
        needs = "scores" if support.scores else "labels"
        rows.append([f"``{name}``", tables, "yes", norms, needs, support.remark])
    lines += _list_table(rows, [20, 8, 8, 10, 10, 44])
    lines += ["", "All other evasion attacks of ART are refused:", ""]
    rows = [["Reason", "Attacks"]]
    for key, reason in REASONS.items():
        names = sorted(f"``{n}``" for n, why in REFUSED.items() if why == key)
        rows.append([f"{reason[0].upper()}{reason[1:]}.", ", ".join(names) or "All newer ones."])
    return "\n".join([*lines, *_list_table(rows, [40, 60]), ""])


def _list_table(rows: list[list[str]], widths: list[int]) -> list[str]:
    shares = " ".join(map(str, widths))
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {shares}", ""]
    for row in rows:
        lines += [f"   {'* -' if k == 0 else '  -'} {cell}" for k, cell in enumerate(row)]
    return lines


def test_the_committed_table_is_up_to_date():
    assert PAGE.read_text() == render(), f"run: python {Path(__file__).name}"


@pytest.fixture
def python_state_is_kept():
    """Fail the test if it moves Python's own generator."""
    before = random.getstate()
    yield
    assert random.getstate() == before


def _run(name, norm, X, y, model, parameters, input_shape=None):
    rows = np.flatnonzero(model.predict(X) == y)[: 6 if input_shape is None else 4]
    if name == "ThresholdAttack":
        # Evolution is slow, and gets nowhere on some rows.
        rows = rows[2:]
    # Pixels share a unit.
    space = FeatureSpace.from_data(X, scale="std" if input_shape is None else None)
    common = {"norm": norm, "starts": "uniform", "input_shape": input_shape}
    # With no step, the distance is that of the starts.
    nothing = ARTAttack("HopSkipJump", max_iter=0, **common)
    start = nothing.run(model, X[rows], y[rows], space=space, pool=X)
    eps = EPS.get(name)
    if eps is not None:
        eps = eps * float(np.median(start.distances))
    attack = ARTAttack(name, **common, **parameters)
    found = attack.run(model, X[rows], y[rows], space=space, pool=X, eps=eps)
    assert found.success.all()
    assert (model.predict(found.X_adv) != y[rows]).all()
    assert (found.X_adv >= X.min(axis=0)).all() and (found.X_adv <= X.max(axis=0)).all()
    order = 2 if norm == 2 else np.inf
    steps = (found.X_adv - X[rows])[:, space.movable] / space.scale[space.movable]
    np.testing.assert_allclose(np.linalg.norm(steps, order, axis=1), found.distances, rtol=1e-9)
    return found, start


@pytest.mark.parametrize(
    ("name", "norm"), [(n, norm) for n, s in SUPPORTED.items() if not s.images for norm in s.norms]
)
def test_supported_attacks_work_on_tables(cancer, name, norm, python_state_is_kept):
    found, start = _run(name, norm, *cancer, SMALL[name])
    assert np.mean(found.distances < 0.95 * start.distances) >= 0.5


@pytest.mark.parametrize(
    ("name", "norm"),
    [case for n, s in SUPPORTED.items() for case in few_fast([(n, norm) for norm in s.norms], 1)],
)
def test_supported_attacks_work_on_images(digits, name, norm, python_state_is_kept):
    found, start = _run(name, norm, *digits, SMALL[name], input_shape=IMAGE)
    assert np.mean(found.distances < 0.95 * start.distances) >= 0.5


def test_simba_on_waves(digits):
    parameters = {**SMALL["SimBA"], "attack": "dct", "freq_dim": 8}
    found, start = _run("SimBA", 2, *digits, parameters, input_shape=IMAGE)
    assert np.mean(found.distances < 0.95 * start.distances) >= 0.5


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refusals_give_the_reason_and_attacks_that_work(name):
    reason = REASONS[REFUSED[name]]
    with pytest.raises(ValueError, match=f"{name} cannot be used here: {reason}.*'HopSkipJump'"):
        ARTAttack(name)
    with pytest.raises(ValueError, match=reason):
        ARTAttack("HopSkipJump").set_params(name=name)


@pytest.mark.parametrize(
    "name", ["HopSkipJumps", "EvasionAttack", "importlib", "", 3, ["HopSkipJump"]]
)
def test_unknown_names_list_the_valid_ones(name):
    with pytest.raises(ValueError, match=r"not an evasion attack.*'BoundaryAttack'"):
        ARTAttack(name)


def test_every_evasion_class_of_the_installed_art_is_judged():
    evasion = importlib.import_module("art.attacks.evasion")
    base = importlib.import_module("art.attacks.attack").EvasionAttack
    classes = {n for n, c in inspect.getmembers(evasion, inspect.isclass) if issubclass(c, base)}
    assert set(SUPPORTED) < classes
    for name in classes - set(SUPPORTED):
        with pytest.raises(ValueError, match=f"{name} cannot be used here: .*that work"):
            check_art_name(name)


def test_the_table_of_refusals_holds_no_invented_names():
    evasion = importlib.import_module("art.attacks.evasion")
    # Needs numba, which ART does not require.
    optional = {"BrendelBethgeAttack"}
    assert not [n for n in set(REFUSED) - optional if not hasattr(evasion, n)]
    assert not set(REFUSED) & set(SUPPORTED)


def test_classes_of_a_newer_art_are_judged_by_their_requirements(monkeypatch):
    evasion = importlib.import_module("art.attacks.evasion")
    monkeypatch.setattr(evasion, "Newer", evasion.DeepFool, raising=False)
    with pytest.raises(ValueError, match="Newer cannot be used here: it needs gradients"):
        ARTAttack("Newer")
    monkeypatch.setattr(evasion, "Newest", evasion.HopSkipJump, raising=False)
    with pytest.raises(ValueError, match="Newest cannot be used here: nobody has checked"):
        ARTAttack("Newest")


@pytest.mark.parametrize("name", [n for n, s in SUPPORTED.items() if s.images])
def test_images_are_needed(digits, name):
    X, y, model = digits
    attack = ARTAttack(name, norm=SUPPORTED[name].norms[0])
    with pytest.raises(ValueError, match=f"{name} needs images: give input_shape.*'SimBA'"):
        attack.run(model, X[:2], y[:2], eps=0.1)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"input_shape": (8, 8)}, r"input_shape=\(8, 8\) is not accepted; give None or"),
        ({"input_shape": (1, 8, 8.5)}, "input_shape=.* is not accepted"),
        ({"input_shape": 64}, "input_shape=64 is not accepted"),
        ({"input_shape": (1, 9, 9)}, "stands for 81 columns, but X has 64"),
        ({"input_shape": (1, 2, 32)}, r"squares .* larger .* p_init=0.8 is too much"),
        ({"input_shape": IMAGE, "p_init": 1.0}, "p_init=1.0 is too much"),
        ({"input_shape": IMAGE}, "eps=None: ART's SquareAttack .* needs an eps > 0"),
        ({"name": "SimBA", "norm": 2, "attack": "dct"}, "attack='dct' of ART's SimBA needs images"),
        ({"name": "ZooAttack"}, "norm=inf is not supported by ART's ZooAttack"),
    ],
)
def test_bad_parameters(digits, parameters, message):
    X, y, model = digits
    attack = ARTAttack(**{"name": "SquareAttack", "norm": np.inf, **parameters})
    with pytest.raises(ValueError, match=message):
        attack.run(model, X[:2], y[:2])


def test_images_with_columns_that_stay(digits):
    X, y, model = digits
    mutable = np.arange(64) % 3 > 0
    space = FeatureSpace.from_data(X, mutable=mutable)
    attack = ARTAttack("SquareAttack", norm=np.inf, input_shape=IMAGE, max_iter=20)
    result = attack.run(model, X[:4], y[:4], space=space, pool=X, eps=2.0)
    assert result.success.all()
    np.testing.assert_array_equal(result.X_adv[:, ~mutable], X[:4][:, ~mutable])
    assert (result.X_adv != X[:4]).any(axis=1).all()


class Scored:
    """A linear model that notes how often it was asked for what."""

    classes_ = np.array(["no", "yes"])

    def __init__(self, normal):
        self.normal, self.labels, self.scores = normal, 0, 0

    def predict(self, X):
        self.labels += len(X)
        return self.classes_[(X @ self.normal > 0).astype(int)]

    def decision_function(self, X):
        self.scores += len(X)
        return X @ self.normal


@pytest.mark.usefixtures("no_check_of_repeats")
@pytest.mark.parametrize(
    ("name", "targeted", "parameters"),
    [("ZooAttack", False, {}), ("SimBA", True, {"epsilon": 0.01})],
)
def test_scores_count_and_the_budget_is_kept(name, targeted, parameters):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 6))
    model = Scored(rng.normal(size=6))
    y = model.predict(X)
    if targeted:
        y = np.where(y == "no", "yes", "no")
    model.labels = 0
    space = FeatureSpace.from_data(X, scale=None, bounds=(-9, 9))
    attack = ARTAttack(name, max_queries=150, targeted=targeted, **parameters)
    result = attack.run(model, X[:1], y[:1], space=space, pool=X)
    assert result.success.all()
    # The clean row and the pool are free; verification fills up one block of 64.
    assert model.labels - 1 - 40 - 63 + model.scores <= result.n_queries[0] <= 150
    assert model.scores > 20
    exact = abs(X[0] @ model.normal) / np.linalg.norm(model.normal)
    assert exact <= result.distances[0] < 3 * exact


def test_scores_are_needed(cancer):
    X, y, model = cancer

    class Labels:
        def predict(self, Z):
            return model.predict(Z)

    with pytest.raises(TypeError, match="ART's ZooAttack needs scores"):
        ARTAttack("ZooAttack").run(Labels(), X[:2], y[:2])


if __name__ == "__main__":
    PAGE.write_text(render())
