"""Categories: cells of text, categories and flags become other values of the data, at a price."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from specreg_sklearn import FeatureSpace
from specreg_sklearn.attacks import resolve_attack
from specreg_sklearn.metrics import suggest_eps
from tests.space._swaps import PRICES, WORDS, exact_distances, fitted, programs


def small():
    return pd.DataFrame(
        {
            "size": [1.0, 3.0, 6.0, 2.0],
            "packer": ["none", "upx", "vmp", "none"],
            "signed": [True, False, True, True],
        }
    )


@pytest.mark.parametrize("norm", [0, 1, 2, np.inf])
def test_a_swap_counts_as_its_price_in_one_column(norm):
    X = small()
    space = FeatureSpace.from_data(X, scale=None, categories={"packer": 3.0, "signed": 0.5})
    moved = X.assign(size=X["size"] + 2, packer=["upx", "upx", "none", "none"], signed=False)
    parts = np.array([[2, 3, 0.5], [2, 0, 0], [2, 3, 0.5], [2, 0, 0.5]])
    wanted = (parts > 0).sum(axis=1) if norm == 0 else np.linalg.norm(parts, norm, axis=1)
    assert np.allclose(space.distances(moved, X, norm=norm), wanted)


def columns_of_every_kind():
    """Return columns that hold four words, or flags, in every container and dtype."""
    words, flags = ["b", "a", "c", "a"], [True, False, True, None]
    text = {
        "object": pd.Series(words, dtype=object),
        "str": pd.Series(words, dtype="str"),
        "string": pd.Series(words, dtype="string"),
        "category": pd.Series(pd.Categorical(words, categories=["c", "b", "a", "z"], ordered=True)),
        "whole numbers as categories": pd.Series(pd.Categorical([3, 1, 2, 1])),
        "holes": pd.Series(["b", None, "c", "a"], dtype="str"),
        "holes among objects": pd.Series(["b", None, float("nan"), "a"], dtype=object),
        "bool": pd.Series([True, False, True, False]),
        "boolean": pd.Series(flags, dtype="boolean"),
    }
    for name, series in text.items():
        yield pytest.param(pd.DataFrame({"x": [0.5, 1.5, 2.5, 3.5], "c": series}), id=name)
    for name, dtype, cells in [
        ("polars text", pl.String, words),
        ("polars categorical", pl.Categorical, words),
        ("polars enum", pl.Enum(["c", "b", "a", "z"]), words),
        ("polars boolean", pl.Boolean, flags),
        ("polars holes", pl.String, ["b", None, "c", "a"]),
    ]:
        column = pl.Series("c", cells, dtype=dtype)
        yield pytest.param(pl.DataFrame([pl.Series("x", [0.5, 1.5, 2.5, 3.5]), column]), id=name)
    mixed = np.array([[0.5, "b"], [1.5, "a"], [2.5, None], [3.5, "a"]], dtype=object)
    yield pytest.param(mixed, id="array of objects")
    codes = np.array([[0.5, 2.0], [1.5, 0.0], [2.5, 1.0], [3.5, 0.0]])
    yield pytest.param(codes, id="codes in an array of numbers")
    yield pytest.param(sparse.csr_array(codes), id="codes in a sparse array")
    yield pytest.param(np.array([["0", "b"], ["1", "a"], ["2", "cc"], ["3", "a"]]), id="text array")


def cells_of(X, column):
    if isinstance(X, pl.DataFrame):
        return X.to_series(column).to_list()
    X = X.toarray() if sparse.issparse(X) else X
    cells = X.iloc[:, column] if isinstance(X, pd.DataFrame) else X[:, column]
    return [None if c is None or c is pd.NA or c != c else c for c in cells]


def dtypes_of(X):
    if isinstance(X, pd.DataFrame):
        return list(X.dtypes)
    return X.dtypes if isinstance(X, pl.DataFrame) else X.dtype


@pytest.mark.parametrize("X", list(columns_of_every_kind()))
def test_cells_are_swapped_in_the_dtype_of_their_column(X):
    """Raising each flag gives each value; dtypes, missing cells and other columns stay."""
    framed = isinstance(X, pd.DataFrame | pl.DataFrame)
    space = FeatureSpace.from_data(
        X,
        categories={"c": 1.0} if framed else {1: 1.0},
        mutable=None if framed else [],
        types="auto" if framed or X.dtype.kind != "f" else {1: "categorical"},
    )
    values = space.categories[0].values
    Z = space.to_coordinates(X)
    old = cells_of(X, 1)
    assert set(values) == {v for v in old if v is not None}
    for k, value in enumerate(values):
        flags = np.zeros_like(Z)
        flags[:, Z.shape[1] - len(values) + k] = 0.9
        moved = space.materialise(Z + flags, X)
        assert dtypes_of(moved) == dtypes_of(X)
        assert type(moved) is type(X)
        new = cells_of(moved, 1)
        assert new == [None if v is None else value for v in old]
        assert all(type(a) is type(b) for a, b in zip(new, old, strict=True))
        assert cells_of(moved, 0) == cells_of(X, 0)
        there = np.array([v is not None and v != value for v in old])
        assert np.array_equal(space.distances(moved, X, norm=1), there.astype(float))
        # The way back, from the moved row: it holds the clean value, and others are out of reach.
        assert np.array_equal(space.distances(X, moved, norm=1), there.astype(float))


def test_prices_by_value_leave_other_values_out():
    X = small()
    space = FeatureSpace.from_data(X, categories={"packer": {"upx": 0.5, "vmp": 2.0}})
    assert space.categories[0].values == ("upx", "vmp")
    assert space.to_frame().loc["packer", "swap"] == "upx: 0.5, vmp: 2"
    moved = X.assign(packer=["upx", "vmp", "upx", "vmp"])
    assert np.allclose(space.distances(moved, X), [0.5, 2.0, 0.5, 2.0])
    with pytest.raises(ValueError, match=r"'packer' holds 'none' in row 1, which its clean cell"):
        space.distances(X.assign(packer="none"), X)


def test_a_value_that_the_data_did_not_hold_stays_or_becomes_one_that_it_did():
    X = small()
    space = FeatureSpace.from_data(X, categories={"packer": 1.0})
    new = X.assign(packer=["new", "upx", "vmp", "none"])
    Z = space.to_coordinates(new)
    assert space.materialise(Z, new).equals(new)
    Z[:, -1] += 1
    assert space.materialise(Z, new)["packer"].tolist() == ["vmp"] * 4
    assert space.distances(new, new).tolist() == [0.0] * 4
    with pytest.raises(ValueError, match="'packer' holds 'new' in row 0"):
        space.distances(new, X)


def test_swap_takes_what_holds_no_numbers_and_is_named_nowhere_else():
    X = small()
    X["a"], X["b"] = [1, 0, 0, 1], [0, 1, 1, 0]
    space = FeatureSpace.from_data(X, categories="swap", groups=[["a", "b"]])
    assert [c.column for c in space.categories] == [1, 2]
    assert [c.prices for c in space.categories] == [(1.0,) * 3, (1.0,) * 2]
    # What mutable names as a flag moves as 0 and 1, and what it does not name stays.
    some = FeatureSpace.from_data(X, categories="swap", mutable=["packer", "signed", "size"])
    assert [c.column for c in some.categories] == [1]
    assert some.kinds[2] == "integer"
    named = FeatureSpace.from_data(X, categories={"signed": 2.0}, mutable=["signed", "size"])
    assert [c.column for c in named.categories] == [2]


def test_a_space_with_categories_prints_and_is_kept():
    X = small()
    space = FeatureSpace.from_data(X, categories={"packer": 0.5, "signed": {True: 1.0}})
    assert "categories=2" in repr(space)
    frame = space.to_frame()
    assert frame.loc["packer", "swap"] == 0.5 and frame.loc["packer", "moves"] == "yes"
    assert "0.5" in space._repr_html_()
    again = FeatureSpace.from_json(space.to_json())
    assert again.categories == space.categories
    moved = X.assign(packer="vmp", signed=True)
    assert np.array_equal(again.distances(moved, X), space.distances(moved, X))


def test_rules_and_derived_columns_see_swapped_cells():
    X = small().assign(risk=[0.0, 2.0, 1.0, 0.0])

    def risk(f):
        return np.where(f["packer"] == "upx", 2.0, np.where(f["packer"] == "vmp", 1.0, 0.0))

    def rule(f):
        return (f["packer"] != "vmp") | (f["signed"] == 1)

    space = FeatureSpace.from_data(
        X, scale=None, categories="swap", derived={"risk": risk}, rules=[rule, "size <= 6"]
    )
    Z = space.to_coordinates(X)
    Z[:, 3] += 1  # vmp
    moved = space.materialise(Z, X)
    assert moved["packer"].tolist() == ["vmp", "upx", "vmp", "vmp"]
    assert moved["risk"].tolist() == [1.0, 2.0, 1.0, 1.0]


def test_a_repair_works_beside_swaps_and_may_make_some():
    X = small()

    def repair(moved, clean):
        big = moved["size"] > 4
        moved.loc[big, "packer"] = "vmp"
        return moved

    X.loc[2, "packer"] = "vmp"
    space = FeatureSpace.from_data(X, scale=None, categories={"packer": 1.0}, repair=repair)
    Z = space.to_coordinates(X)
    Z[0, 0] = 5.0
    Z[1, 1] += 1
    moved = space.materialise(Z, X)
    assert moved["packer"].tolist() == ["vmp", "none", "vmp", "none"]
    assert space.distances(moved, X, norm=1).tolist() == [5.0, 1.0, 0.0, 0.0]


def numbers(X):
    return np.column_stack([X["size"], X["packer"] == "upx"]).astype(float)


def test_eps_between_classes_counts_swaps():
    X = small()
    found = suggest_eps(
        X, [0, 1, 0, 1], FeatureSpace.from_data(X, scale=None, categories={"packer": 1.0}), norm=1
    )
    # From rows 0 to 3 it is 1; from 1 to 0 a swap and 2; from 2 to 1 a swap and 3; back from 3.
    assert found.distances.tolist() == [1.0, 3.0, 4.0, 1.0]


@pytest.mark.parametrize("attack", ["auto", "scores", "hop_skip_jump", "strongest", "tangent"])
def test_attacks_report_rows_of_the_space(attack):
    X, y = programs(150)
    model = fitted("tree", X, y)
    space = FeatureSpace.from_data(X, categories=PRICES)
    found = resolve_attack(attack, norm=2, max_queries=100).run(
        model, X[:10], model.predict(X[:10]), space=space, pool=X
    )
    assert found.success.all()
    assert (found.X_adv.dtypes == X.dtypes).all()
    swapped = sum(
        (PRICES[name] * (found.X_adv[name].astype(object) != X[:10][name].astype(object))) ** 2
        for name in WORDS
    )
    steps = (found.X_adv[["size", "calls"]] - X[:10][["size", "calls"]]) / space.scale[[0, 2]]
    assert np.allclose(found.distances**2, (steps**2).sum(axis=1) + swapped)
    assert (
        found.distances
        <= exact_distances(
            model,
            X[:10],
            2,
            space.scale[[0, 2]],
            low=space.minimum[[0, 2]],
            high=space.maximum[[0, 2]],
        )
        * 3
    ).all()


def test_starts_of_the_users_own_and_going_on():
    X, y = programs(150)
    model = fitted("tree", X, y)
    space = FeatureSpace.from_data(X, categories=PRICES)
    some, labels = X[:10], model.predict(X[:10])
    attack = resolve_attack("auto", norm=1, max_queries=60)
    first = attack.run(model, some, labels, space=space, pool=X)
    own = resolve_attack("auto", norm=1, max_queries=60, starts=first.X_adv)
    again = own.run(model, some, labels, space=space)
    assert (again.distances <= first.distances * (1 + 1e-9)).all()
    longer = resolve_attack("auto", norm=1, max_queries=200)
    on = longer.run(model, some, labels, space=space, pool=X, resume=first)
    assert (on.distances <= first.distances * (1 + 1e-9)).all()


@pytest.mark.parametrize(
    ("kind", "norm", "n"),
    [
        ("tree", 1, 8),
        ("linear", 2, 8),
        *(
            pytest.param(kind, norm, 100, marks=pytest.mark.slow)
            for kind in ("tree", "linear")
            for norm in (0, 1, 2, np.inf)
        ),
    ],
)
def test_the_least_price_is_found(kind, norm, n):
    """At 1000 queries the distance is that of enumeration, within .2 %, in 95 % of the rows."""
    X, y = programs(400)
    model = fitted(kind, X, y)
    space = FeatureSpace.from_data(X, categories=PRICES)
    some = X[:n]
    exact = exact_distances(
        model,
        some,
        norm,
        space.scale[[0, 2]],
        low=space.minimum[[0, 2]],
        high=space.maximum[[0, 2]],
    )
    found = resolve_attack("auto", norm=norm, max_queries=1000).run(
        model, some, model.predict(some), space=space, pool=X
    )
    assert (found.distances >= exact * (1 - 1e-6)).all()
    assert (found.distances <= exact * 1.002).mean() >= 0.95


def test_words_alone_are_a_space():
    X, y = small()[["packer"]], np.array([0, 1, 1, 0])
    model = make_pipeline(
        FunctionTransformer(lambda f: (f == "none").to_numpy(float)),
        DecisionTreeClassifier(random_state=0),
    ).fit(X, y)
    space = FeatureSpace.from_data(X, categories={"packer": {"none": 3.0, "upx": 2.0, "vmp": 1.0}})
    found = resolve_attack("auto", norm=2, max_queries=50).run(model, X, y, space=space)
    assert found.distances.tolist() == [1.0, 3.0, 3.0, 1.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"categories": "all"}, r"categories='all' is not 'swap', or a dict"),
        ({"categories": ["packer"]}, r"categories=\['packer'\] is not 'swap', or a dict"),
        ({"categories": {"paker": 1.0}}, r"categories names the unknown column 'paker'"),
        ({"categories": {"size": 1.0}}, r"'size', which moves as a number.*types=\{column"),
        ({"categories": {"packer": 0.0}}, r"price 0.0 for a swap in column 'packer'"),
        ({"categories": {"packer": True}}, r"price True for a swap in column 'packer'"),
        ({"categories": {"packer": {"zip": 1.0}}}, r"a price for 'zip' in column 'packer', where"),
        ({"categories": {"packer": {"upx": -1}}}, r"price -1 for a swap to 'upx' in column"),
        (
            {"categories": {"packer": 1.0}, "cost": {"packer": 2.0}},
            r"cost names column 'packer', whose cells are swapped; give its price in categories",
        ),
        (
            {"categories": {"signed": 1.0}, "increase_only": ["signed"]},
            r"increase_only or decrease_only names column 'signed', whose cells are swapped",
        ),
        (
            {"categories": {"signed": 1.0}, "derived": {"signed": len}},
            r"categories names column 'signed', which is in derived as well",
        ),
        ({"categories": {"signed": 1.0}, "bounds": {"signed": (0, 1)}}, r"bounds names the categ"),
        ({"mutable": ["packer"]}, r"let their values be swapped at a price by categories"),
    ],
)
def test_what_cannot_be_is_said(options, message):
    with pytest.raises(ValueError, match=message):
        FeatureSpace.from_data(small(), **options)


def test_a_column_of_names_is_no_category():
    X = pd.DataFrame({"name": [f"n{i}" for i in range(1001)], "x": np.arange(1001.0)})
    with pytest.raises(ValueError, match="1001 different values; accepted in categories: up to"):
        FeatureSpace.from_data(X, categories="swap")
    space = FeatureSpace.from_data(X, categories={"name": {"n3": 1.0}})
    assert space.categories[0].values == ("n3",)


def test_a_dtype_that_cannot_hold_the_values_is_refused():
    X = small().astype({"packer": "category"})
    space = FeatureSpace.from_data(X, categories={"packer": 1.0})
    narrow = X.head(1).assign(packer=pd.Categorical(["none"]))
    with pytest.raises(ValueError, match=r"X has dtype category in column 'packer', which cannot"):
        space.bind(narrow)
    assert len(space.bind(X.head(1))) == 1
