"""A table of loans with everything that a space can say, and a check of changed rows of its own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl

from specreg_sklearn import FeatureSpace

JOBS = ["job_clerk", "job_cook", "job_none"]
NUMBERS = ["age", "income", "paid", "billed", "part", "rest", "visits", "share", *JOBS]
SWAPS = {"branch": 0.7, "grade": {"A": 2.0, "B": 1.0}, "insured": 0.4}
COST = {"income": (3.0, 0.5), "job": 1.5, "part": 2.0}


def loans(n, seed=0, *, words=False):
    """Return a frame of n loans that obey all rules, and labels; with the columns of SWAPS."""
    rng = np.random.default_rng(seed)
    billed = rng.lognormal(4, 1, n)
    paid = np.where(rng.random(n) < 0.2, billed, billed * rng.random(n))
    part = rng.integers(0, 60, n)
    job = rng.integers(0, 3, n)
    visits = rng.poisson(3, n).astype(float)
    visits[rng.random(n) < 0.1] = np.nan
    X = pd.DataFrame(
        {
            "age": rng.integers(18, 80, n),
            "income": rng.lognormal(7, 0.5, n).astype(np.float32),
            "paid": paid,
            "billed": billed,
            "part": part,
            "rest": np.minimum(rng.integers(0, 60, n), 100 - part),
            "visits": visits,
            "share": paid / billed,
            "city": rng.choice(["Ulm", "Bonn"], n),
            **{name: job == k for k, name in enumerate(JOBS)},
        }
    )
    if words:
        X["branch"] = pd.Series(rng.choice(["north", "south", "east"], n), dtype="str")
        X.loc[rng.random(n) < 0.1, "branch"] = None
        X["grade"] = pd.Categorical(rng.choice(["A", "B", "C"], n), categories=["C", "B", "A", "Z"])
        X["insured"] = pd.Series(rng.random(n) < 0.5).astype("boolean")
        X.loc[rng.random(n) < 0.1, "insured"] = pd.NA
    score = X["share"] + X["age"] / 60 + 0.6 * X["job_none"] + X["part"] / 100 - X["income"] / 3000
    if words:
        score += 0.3 * (X["branch"] == "south") - 0.3 * (X["grade"] == "A")
        score += 0.3 * X["insured"].fillna(False).astype(float)
    return X, (score + 0.1 * rng.normal(size=n) > score.median()).astype(int).to_numpy()


def share(rows):
    return rows["paid"] / rows["billed"]


def not_too_rich(rows):
    return rows["income"] <= 40 * rows["billed"] + 20000


def space_of(X, **options):
    return FeatureSpace.from_data(
        X,
        types=dict.fromkeys(("age", "part", "rest", "visits"), "integer"),
        increase_only=["age"],
        decrease_only=["visits"],
        cost=COST,
        groups={"job": JOBS},
        rules=["paid <= billed", "part + rest <= 100", not_too_rich],
        derived={"share": share},
        **options,
    )


def numbers(X):
    """Return what the models of the tests read of a frame of any library."""
    if isinstance(X, pl.DataFrame):
        X = X.to_pandas()
    cells = X[NUMBERS].astype(float).to_numpy()
    if "branch" not in X:
        return cells
    words = [X["branch"].to_numpy(object) == "south"]
    words += [X["grade"].to_numpy(object) == grade for grade in "ABC"]
    return np.column_stack([cells, *words, X["insured"].to_numpy(float, na_value=np.nan)])


def check_rows(X, X_adv, distances, scale, norm):
    """Check changed rows against all rules; nothing of the package computes here."""
    assert type(X) is type(X_adv)
    if isinstance(X, pl.DataFrame):
        assert X.schema == X_adv.schema
        X, X_adv = X.to_pandas(), X_adv.to_pandas()
    assert (X.dtypes == X_adv.dtypes).all() and (X["city"] == X_adv["city"]).all()
    assert (X_adv["paid"] <= X_adv["billed"]).all()
    assert (X_adv["part"] + X_adv["rest"] <= 100).all()
    assert (X_adv["income"] <= 40 * X_adv["billed"] + 20000).all()
    assert (X_adv["age"] >= X["age"]).all()
    assert (X_adv["visits"].isna() == X["visits"].isna()).all()
    there = X["visits"].notna()
    assert (X_adv["visits"] <= X["visits"])[there].all()
    assert (X_adv["visits"][there] % 1 == 0).all()
    assert (X_adv[JOBS].astype(int).sum(axis=1) == 1).all()
    assert np.allclose(X_adv["share"], X_adv["paid"] / X_adv["billed"], rtol=1e-12, atol=0)
    prices = []
    for name in ("age", "income", "paid", "billed", "part", "rest", "visits"):
        step = (X_adv[name].astype(float) - X[name].astype(float)).fillna(0.0) / scale[name]
        up, down = np.broadcast_to(COST.get(name, 1.0), (2,))
        prices.append(np.where(step > 0, up * step, -down * step))
    for name in [name for name in SWAPS if name in X]:
        assert (X_adv[name].isna() == X[name].isna()).all()
        new, old = (f[name].astype(object).where(f[name].notna(), "") for f in (X_adv, X))
        assert set(new) <= set(old)
        price = SWAPS[name] if isinstance(SWAPS[name], float) else new.map(SWAPS[name])
        swap = np.where(new != old, price, 0.0).astype(float)
        assert np.isfinite(swap).all()  # what has no price was not to be had
        prices.append(swap)
    prices.append(1.5 * (X_adv[JOBS] != X[JOBS]).any(axis=1))
    assert np.allclose(np.linalg.norm(prices, ord=norm, axis=0), distances, rtol=1e-9)
