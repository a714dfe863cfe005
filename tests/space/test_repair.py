"""Rows that obey the user's rules: one-hot groups, relations between columns, categories."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn.attacks import CGBA, FeatureSpace


def one_hot(moved, clean):
    """Columns 1 to 3 are flags, and exactly one of them is set."""
    moved[:, 1:4] = np.eye(3)[moved[:, 1:4].argmax(axis=1)]
    return moved


def in_order(moved, clean):
    """Column a is not above b, for arrays."""
    moved[:, 0] = np.minimum(moved[:, 0], moved[:, 1])
    return moved


def pandas_rules(moved, clean):
    """The part is not above the whole, and the level says whether it is equal."""
    moved = moved.copy()
    moved["part"] = np.minimum(moved["part"], moved["whole"]).astype(clean["part"].dtype)
    full = moved["part"] == moved["whole"]
    moved["level"] = pd.Categorical(
        np.where(full, "full", "some"), categories=clean["level"].cat.categories
    )
    return moved


def polars_rules(moved, clean):
    full = pl.col("part") >= pl.col("whole")
    return moved.with_columns(
        pl.min_horizontal("part", "whole").cast(clean["part"].dtype).alias("part"),
        pl.when(full).then(pl.lit("full")).otherwise(pl.lit("some")).alias("level"),
    )


def list_rules(moved, clean):
    return [[min(a, b), b, "full" if a >= b else "some"] for a, b, _ in moved]


@pytest.fixture(scope="module")
def flags():
    """Rows of one number and three flags, and a forest that looks at both."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=120), np.eye(3)[rng.integers(3, size=120)]])
    y = ((X[:, 0] + X[:, 1] - X[:, 2]) > 0).astype(int)
    return X, y, RandomForestClassifier(10, random_state=0).fit(X, y)


@pytest.fixture(scope="module")
def parts():
    """A frame of mixed columns that keeps to the rules, and labels."""
    rng = np.random.default_rng(1)
    whole = rng.integers(1, 20, size=80).astype(np.int16)
    part = np.minimum(rng.uniform(0, 20, size=80), whole).astype(np.float32)
    # The cast may round up.
    part = np.minimum(part, whole).astype(np.float32)
    level = pd.Categorical(np.where(part == whole, "full", "some"), categories=["some", "full"])
    frame = pd.DataFrame({"part": part, "whole": whole, "level": level}, index=range(100, 180))
    return frame, np.where(whole - part > 4, "far", "near")


def spying(model, seen):
    class Spy:
        def predict(self, X):
            seen.append(X.copy() if hasattr(X, "copy") else X)
            return model.predict(X)

    return Spy()


def test_one_hot_groups_stay_one_hot(flags):
    X, y, model = flags
    space = FeatureSpace.from_data(X, scale=None, repair=one_hot)
    seen = []
    result = CGBA(max_queries=150).run(spying(model, seen), X[:20], y[:20], space=space, pool=X)
    asked = np.concatenate(seen)
    assert len(asked) > 1000
    assert (np.sort(asked[:, 1:4], axis=1) == [0, 0, 1]).all()
    assert (np.sort(result.X_adv[:, 1:4], axis=1) == [0, 0, 1]).all()
    # Some rows need another flag, others the number alone.
    changed = (result.X_adv[:, 1:4] != X[:20, 1:4]).any(axis=1)
    assert 0 < changed.sum() < 20
    assert (model.predict(result.X_adv) != y[:20]).all()
    np.testing.assert_allclose(
        result.distances, np.linalg.norm(result.X_adv - X[:20], axis=1), rtol=1e-12
    )


def test_the_distance_of_a_flag_is_known():
    """The model looks at the flags only: another flag is sqrt(2) away, whatever the search does."""

    class Flags:
        def predict(self, X):
            return X[:, 1:4].argmax(axis=1)

    X = np.column_stack([np.linspace(0, 1, 9), np.eye(3)[np.arange(9) % 3]])
    y = np.arange(9) % 3
    space = FeatureSpace.from_data(X, scale=None, repair=one_hot)
    result = CGBA(max_queries=100).run(Flags(), X, y, space=space)
    assert (Flags().predict(result.X_adv) != y).all()
    assert (result.distances >= np.sqrt(2)).all()
    # What is more than sqrt(2) comes from the number, which need not move at all.
    assert (result.distances <= np.sqrt(3)).all()


def test_the_nearest_row_that_obeys_a_relation():
    """Fooled below b = -0.5. There a has to follow: the row nearest to (0, 0.5) is (-.5, -.5)."""

    class Low:
        def predict(self, X):
            assert (X[:, 0] <= X[:, 1]).all()
            return (X[:, 1] < -0.5).astype(int)

    X = np.array([[0.0, 0.5], [-1.0, -1.0], [-0.9, -0.8]])
    space = FeatureSpace.from_data(X, bounds=(-1, 1), scale=None, repair=in_order)
    result = CGBA(max_queries=400).run(Low(), X[:1], [0], space=space, pool=X)
    exact = np.hypot(0.5, 1.0)
    assert exact <= result.distances[0] <= 1.05 * exact


@pytest.mark.parametrize("container", ["pandas", "polars", "list"])
def test_frames_keep_their_columns_and_carry_categories(parts, container):
    frame, y = parts
    repair, X = pandas_rules, frame
    if container == "polars":
        repair = polars_rules
        X = pl.DataFrame({c: frame[c].to_numpy() for c in ("part", "whole")}).with_columns(
            level=pl.Series(frame["level"].tolist())
        )
    elif container == "list":
        repair = list_rules
        # All numbers of a list of lists are Python's.
        X = [[float(a), int(b), c] for a, b, c in frame.itertuples(index=False)]

    class Difference:
        def predict(self, X):
            part, whole, level = cells(X)
            assert (part <= whole).all()
            assert ((level == "full") == (part == whole)).all()
            return np.where(whole - part > 4, "far", "near")

    columns = [0, 1, 2]
    space = FeatureSpace.from_data(X, mutable=columns, scale=None, repair=repair)
    result = CGBA(max_queries=100).run(Difference(), X, y, space=space)
    assert type(result.X_adv) is type(X)
    if container == "pandas":
        assert (result.X_adv.dtypes == X.dtypes).all()
        assert result.X_adv.index.equals(X.index)
    elif container == "polars":
        assert result.X_adv.schema == X.schema
    part, whole, level = cells(result.X_adv)
    clean = cells(X)
    assert result.success.all()
    assert (Difference().predict(result.X_adv) != y).all()
    assert (whole == np.rint(whole)).all()
    # Categories follow, and add nothing to the distance.
    assert (level != clean[2]).any()
    np.testing.assert_allclose(
        result.distances, np.hypot(part - clean[0], whole - clean[1]), rtol=1e-12
    )
    np.testing.assert_array_equal(space.distances(result.X_adv, X), result.distances)


def cells(X):
    """Return part, whole and level as arrays."""
    if isinstance(X, list):
        columns = list(zip(*X, strict=True))
    else:
        columns = [X[c].to_list() for c in ("part", "whole", "level")]
    return np.array(columns[0]), np.array(columns[1]), np.array(columns[2])


def test_pipelines_and_workers(parts):
    """The space travels to other processes, and a row does not depend on its neighbours."""
    frame, y = parts
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["level"]), remainder="passthrough"),
        DecisionTreeClassifier(random_state=0),
    ).fit(frame, y)
    space = FeatureSpace.from_data(frame, mutable=[0, 1, 2], repair=pandas_rules)
    attack, rows = CGBA(max_queries=80), frame.iloc[:12]
    serial = attack.run(model, rows, y[:12], space=space, pool=frame)
    parallel = attack.run(model, rows, y[:12], space=space, pool=frame, n_jobs=2)
    pd.testing.assert_frame_equal(serial.X_adv, parallel.X_adv, check_exact=True)
    np.testing.assert_array_equal(serial.n_queries, parallel.n_queries)
    alone = attack.run(model, rows.iloc[[3]], y[3:4], space=space, pool=frame)
    pd.testing.assert_frame_equal(alone.X_adv, serial.X_adv.iloc[[3]], check_exact=True)
    again = pickle.loads(pickle.dumps(space))
    pd.testing.assert_frame_equal(
        again.materialise(again.to_coordinates(frame) + 0.4, frame),
        space.materialise(space.to_coordinates(frame) + 0.4, frame),
    )


def test_the_example_of_the_guide():
    flags = ["by_card", "by_phone", "in_cash"]

    def repair(moved, clean):
        moved["paid"] = moved["paid"].clip(upper=moved["billed"])
        chosen = moved[flags].to_numpy().argmax(axis=1)
        moved[flags] = np.eye(3)[chosen]
        moved["method"] = np.array(flags)[chosen]
        return moved

    class Suspicious:
        def predict(self, X):
            assert (X["paid"] <= X["billed"]).all()
            assert (X["method"] == np.array(flags)[X[flags].to_numpy().argmax(axis=1)]).all()
            cash = (X["method"] == "in_cash").to_numpy()
            return ((X["billed"] - X["paid"]).to_numpy() > 5 - 3 * cash).astype(int)

    rng = np.random.default_rng(0)
    X = pd.DataFrame({"paid": rng.uniform(0, 9, size=40), "billed": 9.0 + rng.random(40)})
    kind = rng.integers(3, size=40)
    X[flags] = np.eye(3)[kind]
    X["method"] = np.array(flags)[kind]
    y = Suspicious().predict(X)
    space = FeatureSpace.from_data(
        X, mutable=["paid", "billed", *flags, "method"], scale=None, repair=repair
    )
    result = CGBA(max_queries=200).run(Suspicious(), X, y, space=space)
    assert result.success.all()
    assert (Suspicious().predict(result.X_adv) != y).all()
    assert (result.X_adv["method"] != X["method"]).any()


def test_clean_rows_that_break_the_rule_are_left_alone():
    X = np.array([[5.0, 1.0], [2.0, 3.0], [0.0, 0.0]])
    space = FeatureSpace.from_data(X, scale=None, repair=in_order)
    Z = space.to_coordinates(X)
    np.testing.assert_array_equal(space.materialise(Z, X), X)
    Z[:, 0] -= [1.0, 0, 0]
    # Once it moves, the row is put right.
    assert space.materialise(Z, X).tolist() == [[1, 1], [2, 3], [0, 0]]


def test_only_a_category_changed_is_not_adversarial():
    """Repair renames rows whose number is rounded back: they have not moved."""

    def rename(moved, clean):
        moved = moved.copy()
        moved["number"] = clean["number"]
        moved["name"] = "b"
        return moved

    class Names:
        def predict(self, X):
            return (X["name"] == "b").to_numpy().astype(int)

    X = pd.DataFrame({"number": [0.0, 1.0, 2.0], "name": ["a", "a", "b"]})
    space = FeatureSpace.from_data(X, mutable=["number", "name"], scale=None, repair=rename)
    with pytest.warns(UserWarning, match="for 3 of 3 rows"):
        result = CGBA(max_queries=60).run(Names(), X, [0, 0, 1], space=space)
    assert np.isinf(result.distances).all()
    pd.testing.assert_frame_equal(result.X_adv, X)


def test_missing_cells_stay_missing():
    X = np.array([[np.nan, 1.0], [0.5, 2.0], [0.2, 0.3]])
    space = FeatureSpace.from_data(X, scale=None, repair=in_order)
    out = space.materialise(space.to_coordinates(X) + np.array([0.2, -0.8]), X)
    np.testing.assert_array_equal(np.isnan(out), np.isnan(X))
    # Downwards, the range of the data is the bound.
    assert out[0, 1] == 0.3


def test_repaired_rows_are_not_repaired_again_while_searching(flags):
    X, y, model = flags
    repaired, asked = [], []

    def counting(moved, clean):
        repaired.append(len(moved))
        return one_hot(moved, clean)

    space = FeatureSpace.from_data(X, scale=None, repair=counting)
    CGBA(max_queries=300).run(spying(model, asked), X[:20], y[:20], space=space, pool=X)
    assert 0 < min(repaired)
    assert sum(repaired) < 1.3 * sum(len(rows) for rows in asked)


def shifts_forever(moved, clean):
    moved[:, 0] = moved[:, 0] * 0.9
    return moved


def depends_on_neighbours(moved, clean):
    moved[:, 0] = np.arange(len(moved))[::-1] * 0.01
    return moved


def with_chance():
    rng = np.random.default_rng(0)

    def repair(moved, clean):
        moved[:, 0] = rng.random(len(moved))
        return moved

    return repair


@pytest.mark.parametrize(
    ("repair", "message"),
    [
        (shifts_forever, "changes rows that it has repaired: column 0 is"),
        (depends_on_neighbours, "does not give the same row again: column 0 is"),
        (with_chance(), "does not give the same row again: column 0 is"),
    ],
)
def test_a_repair_must_repeat_itself(repair, message):
    X = np.random.default_rng(0).random((10, 2))
    space = FeatureSpace.from_data(X, bounds=(0, 1), repair=repair)
    with pytest.raises(ValueError, match=message):
        space.materialise(space.to_coordinates(X) + 0.1, X)


def test_a_repair_that_is_found_out_late():
    """It only misbehaves on rows that the first trial did not see."""

    def late(moved, clean):
        moved[:, 0] = np.where(moved[:, 0] > 0.5, 0.5 + (moved[:, 0] - 0.5) / 2, moved[:, 0])
        return moved

    class Far:
        def predict(self, X):
            return (X[:, 0] > 0.55).astype(int)

    X = np.array([[0.1, 0], [0.2, 0], [0.9, 0]])
    rows = FeatureSpace.from_data(X, scale=None, repair=late).bind(X)
    rows.build(rows.snap(np.array([[0.3]]), np.array([0])), np.array([0]))
    raw = rows.snap(np.array([[0.9]]), np.array([0]))
    assert raw.tolist() == [[0.7]]
    with pytest.raises(ValueError, match=r"column 0 is 0\.6 after 0\.7"):
        rows.build(raw.copy(), np.array([0]))


def change(column, value):
    def repair(moved, clean):
        moved = moved.copy()
        moved[column] = value
        return moved

    return repair


@pytest.mark.parametrize(
    # The third row cannot move up, so two rows are repaired.
    ("repair", "message"),
    [
        (lambda moved, clean: None, "repair returned a NoneType.*as a DataFrame"),
        (lambda moved, clean: moved.to_numpy(), "returned a ndarray"),
        (lambda moved, clean: moved.iloc[:1], r"shape \(1, 6\) for rows of shape \(2, 6\)"),
        (lambda moved, clean: moved.drop(columns="city"), "returned the columns"),
        (lambda moved, clean: moved[moved.columns[::-1]], "returned the columns"),
        (change("extra", 1), "returned the columns"),
        (lambda moved, clean: moved.iloc[::-1], "changed the index"),
        (change("income", 1.5), "'income' from float32 into float64; accepted: float32"),
        (change("income", "much"), "'income' from float32 into"),
        (
            change("age", np.int32(55)),
            "put 55.0 into column 'age'; accepted: whole numbers from 20",
        ),
        (change("income", np.float32(-3)), "put -3.0 into column 'income'; accepted: numbers from"),
        (change("income", np.float32(np.nan)), "put nan into column 'income'"),
        (change("income", np.float32(np.inf)), "put inf into column 'income'"),
        (change("gap", 1.0), "put 1.0 into column 'gap'; accepted: NaN"),
        (
            change("member", False),
            "'member', which is not mutable or has no room, from True to Fal",
        ),
        (change("constant", 0.2), "'constant', which is not mutable or has no room, from 0.1 to"),
        (change("years", 2.5), "put 2.5 into column 'years'; accepted: whole numbers"),
    ],
)
def test_what_a_repair_returns_is_checked(repair, message):
    X = pd.DataFrame(
        {
            "age": np.array([20, 30, 40], dtype=np.int32),
            "income": np.array([1.5, 2.5, 9.5], dtype=np.float32),
            "gap": [np.nan, 0.5, 1.5],
            "years": [1.0, 2.0, 3.0],
            "constant": [0.1, 0.1, 0.1],
            "member": [True, True, True],
        }
    )
    if "columns" in message or "shape" in message or "NoneType" in message:
        X = X.rename(columns={"member": "city"})
    space = FeatureSpace.from_data(X, types={"years": "integer"}, repair=repair)
    with pytest.raises(ValueError, match=message):
        space.materialise(space.to_coordinates(X) + 0.1, X)


def test_writing_into_the_clean_rows_hides_nothing():
    def sly(moved, clean):
        clean[:, 2] = 9
        moved[:, 2] = 9
        return moved

    X = np.arange(9.0).reshape(3, 3)
    space = FeatureSpace.from_data(X, mutable=[0, 1], repair=sly)
    with pytest.raises(
        ValueError, match=r"changed column 2, which is not mutable.* from 2\.0 to 9"
    ):
        space.materialise(space.to_coordinates(X) + 0.1, X)
    assert X[0, 2] == 2


def test_objects_that_are_no_numbers():
    def worded(moved, clean):
        moved[:, 1] = "many"
        return moved

    X = np.array([["a", 1.5], ["b", 2.5]], dtype=object)
    space = FeatureSpace.from_data(X, repair=worded)
    with pytest.raises(ValueError, match=r"not a number into column 1: .*many"):
        space.materialise(space.to_coordinates(X) + 0.1, X)


def test_an_error_in_the_repair_surfaces(flags):
    X, y, model = flags

    class Broken(Exception):
        pass

    def broken(moved, clean):
        raise Broken("no such rule")

    space = FeatureSpace.from_data(X, repair=broken)
    with pytest.raises(Broken, match="no such rule") as caught:
        CGBA().run(model, X, y, space=space)
    assert any("in the repair of the feature space" in note for note in caught.value.__notes__)


def test_repair_must_be_callable():
    with pytest.raises(TypeError, match="repair='one_hot' is not a function"):
        FeatureSpace.from_data(np.eye(3), repair="one_hot")


def test_categories_need_a_repair_to_move():
    X = pd.DataFrame({"n": [1.0, 2.0], "city": ["a", "b"]})
    with pytest.raises(ValueError, match=r"includes 'city', which are categorical.*give a repair"):
        FeatureSpace.from_data(X, mutable=["n", "city"])
    with pytest.raises(ValueError, match="includes 'city'"):
        FeatureSpace.from_data(X, mutable=[True, True])
    space = FeatureSpace.from_data(X, mutable=["n", "city"], repair=lambda moved, clean: moved)
    assert space.mutable.all()
    assert space.movable.tolist() == [0]


def shares(moved, clean):
    """Shares add up to one, as the user writes it first: off by rounding when applied again."""
    return moved / moved.sum(axis=1, keepdims=True)


def frame_shares(moved, clean):
    columns = ["a", "b", "c"]
    total = moved[columns].sum(axis=1)
    for column in columns:
        moved[column] = moved[column] / total
    moved["most"] = np.array(columns)[moved[columns].to_numpy().argmax(axis=1)]
    return moved


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("container", ["array", "list", "pandas"])
def test_a_repair_may_round(dtype, container):
    rng = np.random.default_rng(0)
    cells = (rng.random((60, 3)) + 0.1).astype(dtype)
    X, repair = cells / cells.sum(axis=1, keepdims=True), shares
    options = {}
    if container == "list":
        X = X.tolist()

        def repair(moved, clean):
            return shares(np.array(moved), clean).tolist()
    elif container == "pandas":
        X, repair = pd.DataFrame(X, columns=list("abc")), frame_shares
        X["most"] = np.array(list("abc"))[X.to_numpy().argmax(axis=1)]
        options = {"mutable": list(X)}
    seen = []

    class First:
        def predict(self, X):
            seen.append(numbers(X))
            return (numbers(X)[:, 0] > 0.33).astype(int)

    def numbers(X):
        return np.asarray(X.iloc[:, :3] if container == "pandas" else X)

    y = First().predict(X)
    space = FeatureSpace.from_data(X, bounds=(0, 1), scale=None, repair=repair, **options)
    result = CGBA(max_queries=200).run(First(), X, y, space=space, pool=X)
    assert result.success.all()
    assert (First().predict(result.X_adv) != y).all()
    eps = np.finfo(numbers(X).dtype).eps
    for asked in seen:
        assert ((asked >= 0) & (asked <= 1)).all()
        np.testing.assert_allclose(asked.sum(axis=1), 1, atol=8 * eps)
    # What is reported was asked about, bit by bit.
    asked = {row.tobytes() for rows in seen[:-1] for row in rows}
    assert all(row.tobytes() in asked for row in numbers(result.X_adv))
    steps = numbers(result.X_adv).astype(float) - numbers(X)
    np.testing.assert_allclose(result.distances, np.linalg.norm(steps, axis=1), rtol=1e-12)
    np.testing.assert_array_equal(space.distances(result.X_adv, X), result.distances)
    if container == "pandas":
        best = numbers(result.X_adv).argmax(axis=1)
        assert result.X_adv["most"].tolist() == np.array(list("abc"))[best].tolist()


def test_rounding_out_of_the_bounds_is_clipped():
    """The repair itself leads out of the box by a unit in the last place."""

    def up(moved, clean):
        moved[:, 0] = np.nextafter(1.0, 2)
        return moved

    X = np.array([[0.25, 0.5], [0.5, 0.75]])
    space = FeatureSpace.from_data(X, bounds=(0, 1), scale=None, repair=up)
    step = np.array([[0.1, 0], [0, 0]])
    moved = space.materialise(space.to_coordinates(X) + step, X)
    assert moved.tolist() == [[1.0, 0.5], [0.5, 0.75]]
    rows = space.bind(X)
    raw = rows.snap(rows.x + step, np.arange(2))
    assert raw.tolist() == moved.tolist()


@pytest.mark.parametrize("by", [1e-6, -1e-6])
def test_more_than_rounding_is_an_error(by):
    def creeping(moved, clean):
        moved[:, 0] += by
        return moved

    def outside(moved, clean):
        moved[:, 0] = 0.5 + np.sign(by) * (0.5 + 1e-6)
        return moved

    X = np.array([[0.25, 0.5], [0.5, 0.75]])
    for repair, message in [
        (creeping, "changes rows that it has"),
        (outside, "into column 0; acc"),
    ]:
        space = FeatureSpace.from_data(X, bounds=(0, 1), scale=None, repair=repair)
        with pytest.raises(ValueError, match=message):
            space.materialise(space.to_coordinates(X) + 0.1, X)


def test_whole_numbers_and_categories_have_no_rounding():
    """One more than a billion is no rounding."""

    def count(moved, clean):
        moved[:, 0] += 1
        return moved

    X = np.array([[2e9, 0.5], [3e9, 0.75]])
    space = FeatureSpace.from_data(
        X, bounds=None, types={0: "integer"}, scale=[1e9, 1], repair=count
    )
    with pytest.raises(ValueError, match="changes rows that it has repaired: column 0"):
        space.materialise(space.to_coordinates(X) + 0.1, X)
