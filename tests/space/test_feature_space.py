from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest

from specreg_sklearn.attacks import FeatureSpace


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "age": np.array([20, 30, 40], dtype=np.int32),
            "income": np.array([1.5, 2.5, 9.5], dtype=np.float32),
            "city": ["a", "b", "a"],
            "member": [True, False, True],
            "constant": [0.1, 0.1, 0.1],
        }
    )


def test_types_follow_dtypes(frame):
    space = FeatureSpace.from_data(frame)
    assert space.kinds.tolist() == ["integer", "real", "categorical", "categorical", "real"]
    assert space.mutable.tolist() == [True, True, False, False, True]
    # The constant column is mutable, but its bounds leave it no room.
    assert space.movable.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (None, [1, 1, 1]),
        ("std", [np.std([1.0, 2.0, 6.0]), 1, np.std([0.0, 10.0, 40.0])]),
        ("range", [5, 1, 40]),
        (2.5, [2.5, 2.5, 2.5]),
        ([1, 2, 3], [1, 2, 3]),
    ],
)
def test_scale(scale, expected):
    X = np.array([[1.0, 0.1, 0], [2, 0.1, 10], [6, 0.1, 40]])
    np.testing.assert_allclose(FeatureSpace.from_data(X, scale=scale).scale, expected)


@pytest.mark.parametrize(
    ("bounds", "low", "high"),
    [
        ("data", [1, 0], [6, 40]),
        (None, [-np.inf, -np.inf], [np.inf, np.inf]),
        ((0, 50), [0, 0], [50, 50]),
        ((None, 50), [-np.inf, -np.inf], [50, 50]),
        (([0, -1], [7, 60]), [0, -1], [7, 60]),
        ({1: (-5, None)}, [1, -5], [6, np.inf]),
    ],
)
def test_bounds(bounds, low, high):
    X = np.array([[1.0, 0], [2, 10], [6, 40]])
    space = FeatureSpace.from_data(X, bounds=bounds)
    np.testing.assert_array_equal(space.minimum, low)
    np.testing.assert_array_equal(space.maximum, high)


@pytest.mark.parametrize(
    ("mutable", "expected"),
    [
        (["income"], [1]),
        ([1, 0], [0, 1]),
        ([-4], [1]),
        ([True, False, False, False, False], [0]),
        (np.array([False, True, False, False, False]), [1]),
        ([], []),
    ],
)
def test_mutable(frame, mutable, expected):
    assert FeatureSpace.from_data(frame, mutable=mutable).movable.tolist() == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mutable": ["wage"]}, "mutable names the unknown column 'wage'.*'income'"),
        ({"mutable": [7]}, "unknown column 7"),
        ({"mutable": ["city"]}, "mutable includes 'city', which are categorical"),
        ({"mutable": "income"}, r"mutable=\['income'\]"),
        ({"mutable": [True]}, "mask of 1 flags; X has 5 columns"),
        ({"bounds": "tight"}, "bounds='tight' is not 'data'"),
        ({"bounds": 3}, "bounds=3 is not"),
        ({"bounds": ([0, 1], [2, 3])}, "one entry per column"),
        ({"bounds": {"income": (5, 1)}}, r"column 'income' are \(5.0, 1.0\)"),
        ({"bounds": {"income": (float("nan"), 1)}}, "column 'income' are"),
        ({"bounds": {"city": (0, 1)}}, "categorical column 'city'"),
        ({"bounds": {"wage": (0, 1)}}, "unknown column 'wage'"),
        ({"scale": "spread"}, "scale='spread' is not one of"),
        ({"scale": [1, 1, 1, 1, 0]}, "scale of column 'constant' is 0.0"),
        ({"scale": [1, 2]}, "does not give one number for 5 columns"),
        ({"types": "guess"}, "types='guess'"),
        ({"types": {"city": "real"}}, "column 'city', which does not hold numbers"),
        ({"types": {"age": "ordinal"}}, "'ordinal' for column 'age'"),
        ({"types": {"income": "integer"}}, "'income' is of type 'integer' but holds fractions"),
        ({"types": ["real"]}, "types has 1 entries"),
    ],
)
def test_bad_options_name_the_column_and_the_value(frame, options, message):
    with pytest.raises(ValueError, match=message):
        FeatureSpace.from_data(frame, **options)


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (np.zeros(3), ValueError, "Expected 2D array for X, got 1D"),
        (np.zeros((2, 3, 4)).tolist(), ValueError, "got 3D array.*one array"),
        (np.zeros((0, 3)), ValueError, r"shape \(0, 3\)"),
        ([[1, 2], [3]], ValueError, "rows differ in length"),
        (np.array([[1.0, np.inf], [0, 0]]), ValueError, "infinite values in column 1"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ValueError, r"same name: \['a'\]"),
    ],
)
def test_bad_data(X, error, message):
    with pytest.raises(error, match=message):
        FeatureSpace.from_data(X)


@pytest.mark.parametrize("scale", ["std", "range"])
def test_columns_without_variance_have_no_unit(frame, scale):
    # Its bounds leave the column no room, or nothing may change it: it needs no unit.
    for options in ({}, {"bounds": {"age": (0, 99)}}, {"bounds": None, "mutable": ["age"]}):
        assert FeatureSpace.from_data(frame, scale=scale, **options).scale[4] == 1
    for bounds in (None, (0, 99), {"constant": (0, 1)}):
        with pytest.raises(ValueError, match=f"scale='{scale}' gives no unit.*'constant'.*numbers"):
            FeatureSpace.from_data(frame, scale=scale, bounds=bounds)
        # A unit that the user gives is a unit.
        for unit in (None, 0.5):
            assert FeatureSpace.from_data(frame, scale=unit, bounds=bounds).scale[4] == (unit or 1)
    empty = frame.assign(income=np.nan, constant=[np.nan, 2, 2])
    with pytest.raises(ValueError, match="room to move: 'income', 'constant'"):
        FeatureSpace.from_data(empty, scale=scale, bounds=None)


def test_units_of_very_large_and_very_small_numbers():
    X = np.array([[1e300, 1e-300], [-5e299, 2e-300]])
    np.testing.assert_allclose(FeatureSpace.from_data(X).scale, [7.5e299, 5e-301])
    np.testing.assert_allclose(FeatureSpace.from_data(X, scale="range").scale, [1.5e300, 1e-300])
    # Smaller than any number that divides well, yet it varies.
    assert FeatureSpace.from_data([[0.0], [5e-324]]).scale[0] < 1e-307


def test_bounds_that_exclude_all_values_are_refused(frame):
    message = (
        r"column 'income' are \(100.0, 200.0\), but its values in X go from 1.5 to 9.5: no row"
    )
    with pytest.raises(ValueError, match=message):
        FeatureSpace.from_data(frame, bounds={"income": (100, 200)})
    with pytest.raises(ValueError, match=r"column 'age' are \(-inf, 10.0\), but its values"):
        FeatureSpace.from_data(frame, bounds=(None, 10))
    # Bounds of a column that nothing may change do not matter.
    space = FeatureSpace.from_data(frame, bounds={"income": (100, 200)}, mutable=["age"])
    assert space.movable.tolist() == [0]


def test_bounds_that_exclude_some_values_warn(frame):
    message = r"column 'age' are \(0.0, 35.0\), but 1 of 3 rows.* value 40.0.*own values.$"
    with pytest.warns(UserWarning, match=message) as seen:
        space = FeatureSpace.from_data(frame, bounds=(0, 35), scale=None)
    assert seen[0].filename == __file__
    with pytest.warns(UserWarning, match=r"\(8.0, 35.0\), but 1 .* 1 more columns are like that"):
        FeatureSpace.from_data(frame, bounds=([8] * 5, [35] * 5), mutable=["age", "income"])
    # The row may stay where it is or come in, but not move farther out.
    assert space.materialise([[90, 1, 0.1]] * 3, frame)["age"].tolist() == [35, 35, 40]


def test_rounding_is_not_outside(recwarn):
    X = np.array([[0.0], [0.1]], dtype=np.float32)
    assert float(X[1, 0]) > 0.1
    FeatureSpace.from_data(X, bounds=(0, 0.1))
    FeatureSpace.from_data(X[1:], bounds=(0, 0.1), scale=None)
    assert not recwarn.list


def test_rows_outside_the_data_of_the_space_are_not_in_the_way(recwarn):
    """Test rows may lie outside the range of the training rows."""
    space = FeatureSpace.from_data(np.array([[0.0], [1.0]]))
    assert space.to_coordinates([[7.0]]).shape == (1, 1)
    assert not recwarn.list


def test_whole_numbers_in_a_space_of_reals():
    """The dtype has the last word: an array of integers holds no fractions."""
    space = FeatureSpace.from_data(np.array([[0.0, 0.0], [9.0, 9.0]]), scale=None)
    for X in ([[1, 2], [3, 4]], np.array([[1, 2], [3, 4]], dtype=np.uint8)):
        moved = space.materialise([[1.4, 2.6], [3, 4]], X)
        assert np.asarray(moved).tolist() == [[1, 3], [3, 4]]
        assert np.asarray(moved).dtype == np.asarray(X).dtype
    with pytest.raises(ValueError, match="'real' for column 0, whose dtype int64 holds whole"):
        FeatureSpace.from_data(np.eye(2, dtype=np.int64), types={0: "real"})


def test_repr_is_short_and_says_what_may_change(frame):
    assert repr(FeatureSpace.from_data(frame)) == (
        "FeatureSpace(n_features=5, real=2, integer=1, categorical=2, mutable=3, "
        "scale=3.56 to 8.16)"
    )

    def keep(moved, clean):
        return moved

    space = FeatureSpace.from_data(frame, mutable=["age"], scale=None, repair=keep)
    assert repr(space) == (
        "FeatureSpace(n_features=5, real=2, integer=1, categorical=2, mutable=1, scale=1, "
        "repair=keep)"
    )
    large = FeatureSpace.from_data(np.random.default_rng(0).normal(size=(3, 2000)), mutable=[])
    assert repr(large) == "FeatureSpace(n_features=2000, real=2000, mutable=0)"


def test_frames_with_other_columns_are_refused(frame):
    space = FeatureSpace.from_data(frame)
    with pytest.raises(ValueError, match=r"another order.*'income', 'age'.*out of place"):
        space.to_coordinates(frame[["income", "age", "city", "member", "constant"]])
    with pytest.raises(ValueError, match=r"missing \['city'\], unknown \[\]"):
        space.to_coordinates(frame.drop(columns="city"))
    with pytest.raises(ValueError, match=r"missing \[\], unknown \['new'\]"):
        space.to_coordinates(frame.assign(new=1))
    with pytest.raises(ValueError, match="no numbers in column 'income'"):
        space.to_coordinates(frame.assign(income=["x", "y", "z"]))
    with pytest.raises(ValueError, match="X has 2 columns, but the feature space was built for 5"):
        space.to_coordinates(np.zeros((1, 2)))


def test_rows_with_cells_that_do_not_fit_the_space():
    space = FeatureSpace.from_data(np.array([[1.0, 2.0], [3.0, 4.0]]), types={1: "integer"})
    with pytest.raises(ValueError, match="infinite values in column 0"):
        space.to_coordinates([[np.inf, 2.0]])
    with pytest.raises(ValueError, match="Column 1 is of type 'integer' but holds fractions"):
        space.to_coordinates([[1.0, 2.5]])


def test_round_trip_is_exact(frame):
    space = FeatureSpace.from_data(frame)
    back = space.materialise(space.to_coordinates(frame), frame)
    pd.testing.assert_frame_equal(back, frame, check_exact=True)


def test_materialise_rounds_clips_and_casts(frame):
    space = FeatureSpace.from_data(frame, scale=[2, 0.5, 1, 1, 1])
    Z = np.array([[12.7, 4.0], [-100, 100], [20, 19]])
    moved = space.materialise(Z, frame)
    assert moved["age"].tolist() == [25, 20, 40]
    assert moved["age"].dtype == np.int32
    np.testing.assert_array_equal(moved["income"], np.array([2.0, 9.5, 9.5], dtype=np.float32))
    assert moved["income"].dtype == np.float32
    pd.testing.assert_frame_equal(
        moved[["city", "member", "constant"]], frame[["city", "member", "constant"]]
    )


def test_cast_never_leaves_the_box():
    # 0.1 has no float32: the nearest one lies above, so the cast must step back inwards.
    assert float(np.float32(0.1)) > 0.1
    X = np.zeros((1, 1), dtype=np.float32)
    space = FeatureSpace.from_data(X, bounds=(-0.1, 0.1), scale=None)
    assert 0 < float(space.materialise([[5.0]], X)[0, 0]) <= 0.1
    assert -0.1 <= float(space.materialise([[-5.0]], X)[0, 0]) < 0


def test_integer_bounds_are_respected():
    X = np.array([[1], [4]], dtype=np.uint8)
    space = FeatureSpace.from_data(X[:1], bounds=(0.5, 3.5), scale=None)
    assert space.materialise([[-9.0], [9.0]], X).tolist() == [[1], [4]]
    unbounded = FeatureSpace.from_data(X, bounds=None, scale=None)
    assert unbounded.materialise([[-9.0], [999.0]], X).tolist() == [[0], [255]]


def test_a_row_outside_the_box_may_stay():
    space = FeatureSpace.from_data(np.array([[0.0], [1.0]]), scale=None)
    X = np.array([[3.0]])
    assert space.materialise([[3.0]], X).tolist() == [[3.0]]
    assert space.materialise([[7.0]], X).tolist() == [[3.0]]
    assert space.materialise([[-7.0]], X).tolist() == [[0.0]]
    assert space.materialise([[-3.0]], -X).tolist() == [[-3.0]]
    assert space.materialise([[-7.0]], -X).tolist() == [[-3.0]]
    assert space.materialise([[7.0]], -X).tolist() == [[1.0]]


def test_distances_match_numpy(frame):
    space = FeatureSpace.from_data(frame, scale=[2, 0.5, 1, 1, 1])
    moved = frame.copy()
    moved.loc[1, "age"] = 36
    moved.loc[1, "income"] = np.float32(4.5)
    steps = np.array([6 / 2, 2.0 / 0.5])
    expected_l2 = [0, np.linalg.norm(steps), 0]
    np.testing.assert_allclose(space.distances(moved, frame), expected_l2)
    np.testing.assert_allclose(space.distances(moved, frame, norm=np.inf), [0, steps.max(), 0])


def test_distances_neither_overflow_nor_vanish():
    X = np.array([[0.0, 0.0], [1e200, 1e200], [1e-200, 1e-200]])
    space = FeatureSpace.from_data(X, scale=None)
    found = space.distances(X, np.zeros_like(X))
    np.testing.assert_allclose(found, [0, np.sqrt(2) * 1e200, np.sqrt(2) * 1e-200])


@pytest.mark.parametrize("norm", [0, 1, 2, np.inf])
@pytest.mark.parametrize("scale", [1.0, 7.0, 1e200])
def test_a_row_that_moved_is_not_at_distance_zero(norm, scale):
    """A threshold at 0 is passed by the smallest number, of which a unit leaves nothing."""
    space = FeatureSpace.from_data(np.zeros((2, 3)), bounds=None, scale=scale)
    moved = np.array([[0.0, 5e-324, 0.0], [0.0, 0.0, 0.0]])
    clean = space.bind(np.zeros((2, 3)))
    for found in (
        space.distances(moved, np.zeros((2, 3)), norm=norm),
        clean.distance(moved, np.arange(2), norm),
    ):
        assert 0 < found[0] <= (1 if norm == 0 else 5e-324) and found[1] == 0


def test_spaces_pickle(frame):
    space = FeatureSpace.from_data(frame)
    again = pickle.loads(pickle.dumps(space))
    np.testing.assert_array_equal(again.to_coordinates(frame), space.to_coordinates(frame))


def test_materialise_wants_one_coordinate_row_per_row(frame):
    space = FeatureSpace.from_data(frame)
    with pytest.raises(ValueError, match=r"Z has shape \(1, 2\)"):
        space.materialise([[0.0, 0.0]], frame)
