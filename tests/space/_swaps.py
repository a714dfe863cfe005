"""Tables with categories, and their exact distances by enumeration."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

WORDS = {"packer": ("none", "upx", "vmp"), "signed": (False, True), "origin": tuple("abcd")}
PRICES = {"packer": 0.5, "signed": 1.0, "origin": 0.8}


def programs(n, *, seed=0):
    """Return a frame with text, a bool, a category dtype and numbers, and labels."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "packer": rng.choice(WORDS["packer"], n),
            "calls": rng.integers(0, 8, n),
            "signed": rng.random(n) < 0.5,
            "origin": pd.Categorical(rng.choice(WORDS["origin"], n)),
        }
    )
    score = X["size"] + 0.4 * X["calls"] - 1.4 + 1.5 * (X["packer"] == "upx") - 1.2 * X["signed"]
    score += np.where(X["origin"].isin(["a", "b"]), 0.6, -0.6)
    return X, (score + rng.logistic(scale=0.2, size=n) > 0).astype(int).to_numpy()


def encoded():
    """Return a transformer: the numbers first, then a flag for each word."""
    words = OneHotEncoder(categories=[list(v) for v in WORDS.values()], sparse_output=False)
    return make_column_transformer(("passthrough", ["size", "calls"]), (words, list(WORDS)))


def flags(X):
    """Do as :func:`encoded`, in less time."""
    cells = {name: np.asarray(X[name].array, dtype=object) for name in WORDS}
    words = [cells[name] == value for name, values in WORDS.items() for value in values]
    return np.column_stack([X["size"], X["calls"], *words]).astype(float)


def fitted(kind, X, y, *, by_scikit_learn=False):
    """Return a tree or a linear model behind an encoder."""
    last = (
        DecisionTreeClassifier(max_leaf_nodes=40, random_state=0)
        if kind == "tree"
        else LogisticRegression()
    )
    front = encoded() if by_scikit_learn else FunctionTransformer(flags)
    return make_pipeline(front, last).fit(X, y)


def combined(parts, norm):
    """Return the length of moves whose columns cost `parts`, along the first axis."""
    parts = np.asarray(parts, dtype=float)
    if norm == 0:
        return (parts > 0).sum(axis=0)
    return np.linalg.norm(parts, ord=norm, axis=0)


def exact_distances(model, X, norm, scale, prices=PRICES, low=None, high=None):
    """Return the distance of each row to the nearest one with another label, by enumeration."""
    low = X[["size", "calls"]].min().to_numpy(float) if low is None else low
    high = X[["size", "calls"]].max().to_numpy(float) if high is None else high
    labels = model.predict(X)
    last = model[-1]
    nearest = _by_leaves if hasattr(last, "tree_") else _by_choices
    return np.array(
        [nearest(last, X.iloc[i], labels[i], norm, scale, prices, low, high) for i in range(len(X))]
    )


def _leaves(tree):
    """Return (low, high, label) of the leaves: cells are above low, and at most high."""
    t = tree.tree_
    found = []

    def walk(node, low, high):
        if t.children_left[node] < 0:
            found.append((low, high, tree.classes_[t.value[node][0].argmax()]))
            return
        j, cut = t.feature[node], t.threshold[node]
        below, above = high.copy(), low.copy()
        below[j], above[j] = min(high[j], cut), max(low[j], cut)
        walk(t.children_left[node], low, below)
        walk(t.children_right[node], above, high)

    walk(0, np.full(t.n_features, -np.inf), np.full(t.n_features, np.inf))
    return found


def _by_leaves(tree, row, label, norm, scale, prices, low, high):
    best = np.inf
    for lo, hi, other in _leaves(tree):
        if other == label:
            continue
        parts = []
        for k, name in enumerate(("size", "calls")):
            x = float(row[name])
            # scikit-learn compares float32 cells: what is one step above the cut is above it.
            least = np.floor(lo[k]) + 1 if name == "calls" else np.nextafter(lo[k], np.inf)
            most = np.floor(hi[k]) if name == "calls" else hi[k]
            to = min(max(x, least), most)
            parts.append(abs(to - x) / scale[k] if low[k] <= to <= high[k] else np.inf)
        at = 2
        for name, values in WORDS.items():
            fits = []
            for value in values:
                flags = np.array([v == value for v in values], float)
                part = slice(at, at + len(values))
                if ((flags > lo[part]) & (flags <= hi[part])).all():
                    fits.append(0.0 if value == row[name] else prices[name])
            parts.append(min(fits, default=np.inf))
            at += len(values)
        if np.isfinite(parts).all():
            best = min(best, combined(parts, norm))
    return best


def _by_choices(linear, row, label, norm, scale, prices, low, high):
    """Return the distance for a linear model: each choice of words and calls, size by division."""
    from itertools import product

    coef, best = linear.coef_[0], np.inf
    sign = 1.0 if label == linear.classes_[1] else -1.0
    for words in product(*WORDS.values()):
        moved = [
            0.0 if word == row[name] else prices[name]
            for name, word in zip(WORDS, words, strict=True)
        ]
        at, rest = 2, linear.intercept_[0]
        for values, word in zip(WORDS.values(), words, strict=True):
            rest += coef[at + values.index(word)]
            at += len(values)
        for calls in range(int(low[1]), int(high[1]) + 1):
            margin = sign * (rest + coef[1] * calls + coef[0] * row["size"])
            step = 0.0 if margin < 0 else -sign * margin / coef[0]
            if low[0] <= row["size"] + step <= high[0]:
                parts = [*moved, abs(calls - row["calls"]) / scale[1], abs(step) / scale[0]]
                best = min(best, combined(parts, norm))
    return best
