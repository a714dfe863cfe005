"""The bundle of settings behind every score: what it checks, and what it hands on."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from specreg_sklearn.attacks import CGBA, RayS
from specreg_sklearn.metrics import (
    adversarial_distances,
    certified_radius,
    make_robust_scorer,
    robust_accuracy,
)
from specreg_sklearn.metrics.measurement import Measurement, radii_of_labels, shares_beyond
from specreg_sklearn.space import FeatureSpace

QUICK = CGBA(max_queries=100)


@pytest.fixture(scope="module")
def iris():
    X, y = load_iris(return_X_y=True)
    return X, y, LogisticRegression(max_iter=1000).fit(X, y)


def test_a_run_is_that_of_adversarial_distances(iris):
    X, y, model = iris
    measurement = Measurement(attack=QUICK, scale=None, max_samples=12, random_state=3)
    result = measurement.run_attack(model, X, y)
    options = {"attack": QUICK, "scale": None, "max_samples": 12, "random_state": 3}
    np.testing.assert_array_equal(
        result.distances, adversarial_distances(model, X, y, certify=False, **options)
    )
    chosen, _ = measurement.rows_of(X, y)
    moved = result.distances > 0
    straight = cdist(chosen, result.X_adv).diagonal()
    np.testing.assert_allclose(result.distances[moved], straight[moved], rtol=1e-9)


def test_radii_are_those_of_the_measured_rows(iris):
    X, y, model = iris
    measurement = Measurement(norm=1, max_samples=20, attack=None)
    radii, right = radii_of_labels(model, X, y, measurement, "this test")
    chosen, labels = measurement.rows_of(X, y)
    space = measurement.space_of(X)
    np.testing.assert_array_equal(radii, certified_radius(model, chosen, norm=1, space=space))
    np.testing.assert_array_equal(right, model.predict(chosen) == labels)
    with pytest.raises(ValueError, match="norm=3 is not supported by this test"):
        radii_of_labels(model, X, y, Measurement(norm=3), "this test")


def test_the_space_is_the_one_given_or_that_of_the_rows(iris):
    X, _, _ = iris
    np.testing.assert_array_equal(Measurement(scale="range").space_of(X).scale, np.ptp(X, axis=0))
    space = FeatureSpace.from_data(X, mutable=[1])
    assert Measurement(space=space).space_of(X) is space


@pytest.mark.parametrize(("norm", "kind"), [(2, CGBA), (np.inf, RayS)])
def test_the_attack_follows_the_norm_and_the_seed(norm, kind):
    attack = Measurement(norm=norm, random_state=5).resolved_attack()
    assert type(attack) is kind and attack.random_state == 5
    assert Measurement(attack=QUICK).resolved_attack() is not QUICK


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"max_samples": 0}, ValueError, "max_samples=0"),
        ({"scale": "spread"}, ValueError, "scale='spread' is not one of"),
        ({"space": "std"}, TypeError, "space=str is not a FeatureSpace"),
        ({"space": FeatureSpace.from_data(np.eye(2)), "scale": 1.0}, ValueError, "own units"),
    ],
)
def test_bad_settings(settings, error, message):
    with pytest.raises(error, match=message):
        Measurement(**settings).check()


def test_a_scorer_is_a_measurement_whose_settings_can_be_read_but_not_changed():
    scorer = make_robust_scorer("median_certified_radius", eps=0.2, norm=1, n_jobs=2)
    assert isinstance(scorer, Measurement)
    assert (scorer.metric, scorer.eps, scorer.norm, scorer.n_jobs) == (
        "median_certified_radius",
        0.2,
        1,
        2,
    )
    assert (scorer.attack, scorer.space, scorer.scale, scorer.max_samples) == (
        "auto",
        None,
        "std",
        100,
    )
    assert (robust_accuracy.random_state, robust_accuracy.certify) == (0, "auto")
    with pytest.raises(dataclasses.FrozenInstanceError):
        scorer.eps = 0.3
    with pytest.raises(ValueError, match="eps=-1 is not a distance"):
        dataclasses.replace(scorer, eps=-1)


@pytest.mark.parametrize("nothing", [np.inf, np.nan])
@pytest.mark.parametrize("word", [None, "start_failed", "unverified", "a word of the future"])
def test_rows_without_a_distance_withstand_every_size(nothing, word):
    distances = np.array([0.0, 0.5, 2.0, nothing])
    status = None if word is None else np.array(["already_wrong", "found", "found", word])
    grid = np.array([0.0, 0.5, 1.0, 9.0, np.inf])
    with pytest.warns(UserWarning, match="it: 1 of 3 correctly classified rows are undecided"):
        shares = shares_beyond(distances, grid, "it", status)
    np.testing.assert_array_equal(shares, [3 / 4, 2 / 4, 2 / 4, 1 / 4, 1 / 4])


@pytest.mark.parametrize("word", ["not_found", "certified"])
def test_rows_that_were_searched_or_proved_are_decided(word):
    distances = np.array([0.0, 0.5, 2.0, np.inf])
    status = np.array(["already_wrong", "found", "found", word])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shares = shares_beyond(distances, np.array([0.0, 0.5, 1.0]), "it", status)
    np.testing.assert_array_equal(shares, [3 / 4, 2 / 4, 2 / 4])


def test_the_warning_says_why_and_what_the_rows_count_as():
    distances = np.array([np.inf, np.inf, np.inf, 0.0, 1.0])
    status = np.array(["start_failed", "unverified", "start_failed", "already_wrong", "found"])
    with pytest.warns(UserWarning) as seen:
        shares_beyond(distances, np.array([1.0]), "it", status)
    assert str(seen[0].message) == (
        "it: 3 of 4 correctly classified rows are undecided (the attack found no row to start from "
        "for 2, the model did not repeat its answer on what was found for 1). They count as "
        "withstanding at every eps, so this is an upper bound that may lie far above the truth. "
        "Rows of other classes to start from, as pool=, or a larger budget may decide them."
    )


def test_the_warning_names_the_line_of_the_user():
    with pytest.warns(UserWarning, match="Not one was decided: does the model predict") as seen:
        shares_beyond(np.array([np.inf, 0.0]), np.array([1.0]), "it")
    assert seen[0].filename == __file__
