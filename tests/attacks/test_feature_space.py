from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

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
        (([0, 1], [2, 3]), [0, 1], [2, 3]),
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
        ({"scale": "iqr"}, "scale='iqr' is not one of"),
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
        (np.zeros((2, 3, 4)), ValueError, "got 3D array"),
        (np.zeros((0, 3)), ValueError, r"shape \(0, 3\)"),
        ([[1, 2], [3]], ValueError, "rows differ in length"),
        (sparse.csr_array(np.eye(2)), TypeError, r"X\.toarray"),
        (np.array([[1.0, np.inf], [0, 0]]), ValueError, "infinite values in column 1"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ValueError, r"same name: \['a'\]"),
    ],
)
def test_bad_data(X, error, message):
    with pytest.raises(error, match=message):
        FeatureSpace.from_data(X)


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
    space = FeatureSpace.from_data(X, bounds=(-0.1, 0.1))
    assert 0 < float(space.materialise([[5.0]], X)[0, 0]) <= 0.1
    assert -0.1 <= float(space.materialise([[-5.0]], X)[0, 0]) < 0


def test_integer_bounds_are_respected():
    X = np.array([[1], [4]], dtype=np.uint8)
    space = FeatureSpace.from_data(X, bounds=(0.5, 3.5), scale=None)
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


def test_spaces_pickle(frame):
    space = FeatureSpace.from_data(frame)
    again = pickle.loads(pickle.dumps(space))
    np.testing.assert_array_equal(again.to_coordinates(frame), space.to_coordinates(frame))


def test_materialise_wants_one_coordinate_row_per_row(frame):
    space = FeatureSpace.from_data(frame)
    with pytest.raises(ValueError, match=r"Z has shape \(1, 2\)"):
        space.materialise([[0.0, 0.0]], frame)
