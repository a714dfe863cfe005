"""What was read off a model, compared with the model itself."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.pipelines import NoCertificateError
from specreg_sklearn.certificates.trees._leaf_boxes import LeafBoxes
from specreg_sklearn.certificates.trees.readers import TreeSum

_N_ROWS = 256


def rounding_of_scores(trees: TreeSum) -> FloatArray:
    """Return how far the model's own sums may be from the exact ones, (n_outputs,).

    Any order of summation is covered, and another rounding for each of a few operations more.
    """
    nodes = trees.nodes
    largest = np.abs(trees.base)
    ends = np.append(nodes.roots[1:], len(nodes.column))
    for begin, end in zip(nodes.roots, ends, strict=True):
        largest = largest + np.abs(nodes.value[begin:end]).max(axis=0)
    return np.asarray(2 * (len(nodes.roots) + 4) * trees.unit * largest)


def rows_at_thresholds(boxes: LeafBoxes, n_rows: int, seed: int) -> FloatArray:
    """Return rows whose cells are thresholds, the next number above one, or lie anywhere."""
    rng = np.random.default_rng(seed)
    n_columns = len(boxes.cell_start) - 1
    rows = np.zeros((n_rows, n_columns))
    for j in range(n_columns):
        begin, end = boxes.cell_start[j] - j, boxes.cell_start[j + 1] - j - 1
        cuts = boxes.thresholds[begin:end]
        cuts = cuts[np.isfinite(cuts) & (np.abs(cuts) < 1e30)]
        if not len(cuts):
            continue
        chosen = rng.choice(cuts, n_rows)
        spread = rng.uniform(cuts[0] - 1, cuts[-1] + 1, n_rows)
        kind = rng.integers(3, size=n_rows)
        above = np.nextafter(chosen, np.inf)
        rows[:, j] = np.where(kind == 0, chosen, np.where(kind == 1, above, spread))
    return rows


def compare_with_model(
    trees: TreeSum,
    boxes: LeafBoxes,
    predict: Callable[[Any], Any],
    scores: Callable[[Any], Any] | None,
) -> bool:
    """Raise NoCertificateError if labels or scores of hard rows are not those of the model.

    `predict` and `scores` take arrays of float64. Returns whether the means of its trees are those
    of the model to the last bit, so that they decide ties as it does.
    """
    rows = rows_at_thresholds(boxes, _N_ROWS, seed=0)
    return compare_rows(trees, rows, rows, predict, scores)


def compare_rows(
    trees: TreeSum,
    rows: FloatArray,
    X: Any,
    predict: Callable[[Any], Any],
    scores: Callable[[Any], Any] | None,
) -> bool:
    """Do as :func:`compare_with_model` for rows of numbers, which are `X` as the model takes it."""
    leaves = trees.nodes.leaves(rows)
    own = trees.added(leaves)
    blur = rounding_of_scores(trees)
    with warnings.catch_warnings():
        # Models fitted on frames say that arrays have no names.
        warnings.filterwarnings("ignore", message=".*feature names.*")
        labels = np.asarray(predict(X)).ravel()
        theirs = None if scores is None else np.asarray(scores(X), dtype=np.float64)
    check_labels(trees, own, labels, blur)
    if theirs is None:
        return False
    gap = np.abs(theirs.reshape(len(rows), -1) - own)
    # Logarithms of what is near 0 or 1 lose digits; a wrong leaf is off by far more.
    allowed = 4 * blur + 2.0**-20 * (1 + np.abs(own)) * (trees.unit > 2.0**-53)
    wrong = np.flatnonzero((gap > allowed + 1e-12 * (1 + np.abs(own))).any(axis=1))
    if len(wrong):
        i = int(wrong[0])
        raise NoCertificateError(
            f"{trees.name} has no certificate: its trees were read, but on {len(wrong)} of "
            f"{len(rows)} rows at their thresholds the sum of leaves differs from the model's "
            f"scores, by {gap[i].max():.2g} on the row {rows[i].tolist()}. This version of the "
            "model may be newer than its reader."
        )
    n_trees = len(trees.nodes.roots)
    return trees.averaged and np.array_equal(trees.means(leaves) * n_trees, theirs)


def check_labels(trees: TreeSum, own: FloatArray, labels: np.ndarray, blur: FloatArray) -> None:
    """Raise NoCertificateError if labels differ where rounding cannot be the reason."""
    expected = trees.classes[trees.predicted(own)]
    wrong = np.flatnonzero((np.asarray(labels) != expected) & ~is_close(trees, own, blur))
    if len(wrong):
        raise NoCertificateError(
            f"{trees.name} has no certificate: its trees were read, but predict gives another "
            f"label than they do on {len(wrong)} of {len(own)} rows. Does predict use another "
            "threshold, or is this version of the model newer than its reader?"
        )


def is_close(trees: TreeSum, own: FloatArray, blur: FloatArray) -> np.ndarray:
    """Return where two scores are so close that rounding may decide between them."""
    if trees.n_outputs == 1:
        near = np.abs(own[:, 0] - trees.cut)
        return np.asarray(near <= 2 * blur[0] + trees.blur)
    top = np.sort(own, axis=1)
    return np.asarray(top[:, -1] - top[:, -2] <= 4 * blur.max() + 2 * trees.blur)
