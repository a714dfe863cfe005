"""What rounding, and weights known up to a little, may add to scores near a row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.pipelines import CertifiedModel, SeenRows
from specreg_sklearn.certificates.relaxations._layers import MovedLayers
from specreg_sklearn.certificates.stages import Affine, Stage
from specreg_sklearn.spectral.bounds import UNIT_ROUNDOFF, above

# Stands for everything that underflows.
_TINY = 1e-290


class Centres(NamedTuple):
    """Rows as the relaxations need them.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_1)
        Pre-activations of the first layer.
    unsure : ndarray of shape (n_rows, n_1)
        How far they may be from real arithmetic.
    scores : ndarray of shape (n_rows, n_scores)
        Scores at the rows.
    blur : ndarray of shape (n_rows, n_scores)
        How far the estimator's own scores may be from real arithmetic.
    growth : ndarray of shape (n_scores,)
        How much more that is, per unit of a move.
    """

    values: FloatArray
    unsure: FloatArray
    scores: FloatArray
    blur: FloatArray
    growth: FloatArray

    def take(self, some: np.ndarray) -> Centres:
        """Return some of the rows."""
        return Centres(
            self.values[some], self.unsure[some], self.scores[some], self.blur[some], self.growth
        )


def centres_of(model: CertifiedModel, seen: SeenRows) -> Centres:
    """Return the rows' first pre-activations and scores, with their errors."""
    parts = []
    for row in seen.values:
        # One by one: a product of matrices rounds a row in another way in other company.
        X = row[None]
        values, unsure = model.scores.folded[0].forward(X, np.zeros_like(X))
        scores, delta = model.scores.evaluate(X)
        blur = delta + seen.own.errors(X, delta) + 4 * UNIT_ROUNDOFF * np.abs(scores)
        parts.append((values, unsure, scores, blur))
    every = [np.concatenate(part) for part in zip(*parts, strict=True)]
    return Centres(every[0], every[1], every[2], every[3], seen.growth)


class Sizes(NamedTuple):
    """How large numbers can be in a ball around each row, and how far off.

    Parameters
    ----------
    layers : list of ndarray of shape (n_rows, n_k)
        Bounds of the absolute value of every pre-activation, and of the sum of the absolute values
        of all terms it is computed from; the scores last.
    error : ndarray of shape (n_rows, n_scores)
        How far the estimator's scores may be from those of the layers, anywhere in the ball.
    """

    layers: list[FloatArray]
    error: FloatArray


def sizes_within(
    layers: MovedLayers, stages: tuple[Stage, ...], centres: Centres, radius: FloatArray
) -> Sizes:
    """Return sizes and errors in the balls of the given radii, (n_rows,)."""
    n_moves = stages[0].n_inputs or 1
    reach = layers.norm.dual.length(layers.weights[0])
    size = np.abs(centres.values) + radius[:, None] * reach * (1 + layers.unit)
    far = layers.norm.from_l2(np.asarray(1.0), n_moves)
    first = stages[0]
    assert isinstance(first, Affine)
    error = centres.unsure + first.uncertainty() * far * radius[:, None]
    error = above(error, 4)
    sizes = [size[:, None]]
    # An axis more: a product of stacked matrices rounds a row alike in any company.
    size, error = size[:, None], error[:, None]
    for stage in stages[1:]:
        # Errors grow with the absolute value of what goes in, so its bound stands for all rows.
        spread = stage.forward(size, error)[1]
        if not isinstance(stage, Affine):
            # A function that rises is largest at one of both ends.
            least, low_spread = stage.forward(-size, error)
            most, _ = stage.forward(size, error)
            spread = np.maximum(spread, low_spread)
            size = np.maximum(size, np.maximum(np.abs(least), np.abs(most)))
        error = spread
        if isinstance(stage, Affine):
            size = size @ np.abs(stage.dense()).T + np.abs(stage.bias)
            sizes.append(size)
    scale = 1 + layers.unit
    own = centres.blur + radius[:, None] * centres.growth
    return Sizes(
        [part[:, 0] * scale + _TINY for part in sizes], above(error[:, 0] + own, 8) + _TINY
    )
