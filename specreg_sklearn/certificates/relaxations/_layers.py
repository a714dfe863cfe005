"""A fully connected network as a function of the moves of a row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from specreg_sklearn._typing import FloatArray
from specreg_sklearn.certificates.bounds import CertifiedMap
from specreg_sklearn.certificates.pipelines import CertifiedModel, NoCertificateError, SeenRows
from specreg_sklearn.certificates.stages import Activation, Affine, Elementwise, Stage
from specreg_sklearn.space import Norm
from specreg_sklearn.spectral.bounds import UNIT_ROUNDOFF

# Functions with one slope for negative numbers, and the identity for others.
_TWO_SLOPES = ("relu", "leaky_relu", "prelu", "rrelu")


class MovedLayers(NamedTuple):
    """Layers in float64, taken to be exact; the first one maps moves of a row.

    Parameters
    ----------
    weights : tuple of ndarray
        ``weights[0]``, (n_1, n_moves), from moves to pre-activations, or in fewer columns, if whole
        balls of L2 are all that is asked about; the others from one layer of neurons to the next,
        the scores at last.
    turned : ndarray of shape (n_1, at most n_1)
        In L2 ``weights[0]`` in no more columns than neurons: with the same lengths of combinations
        of its rows.
    biases : tuple of ndarray
        Of all but the first layer, whose values at the row stand for it.
    slopes : tuple of ndarray
        Slopes of the hidden neurons where they are negative, from 0 to 1; zeros for curves.
    curves : tuple of Activation or None
        The functions of the hidden layers where they have more than two slopes.
    norm : Norm
        Of the moves.
    unit : float
        Relative to the sum of the absolute values of all terms, no number computed with these
        layers is farther from real arithmetic.
    """

    weights: tuple[FloatArray, ...]
    turned: FloatArray
    biases: tuple[FloatArray, ...]
    slopes: tuple[FloatArray, ...]
    curves: tuple[Activation, ...] | None
    norm: Norm
    unit: float

    @property
    def n_hidden(self) -> int:
        """How many layers of neurons there are."""
        return len(self.slopes)

    @property
    def cost(self) -> int:
        """Multiplications that the bounds of all neurons of one row take."""
        widths = [weight.shape for weight in self.weights]
        into = np.cumsum([n_out * n_in for n_out, n_in in widths])
        return int(widths[0][0] * widths[0][1]) + sum(
            2 * widths[k][0] * int(into[k - 1]) for k in range(1, self.n_hidden)
        )


class Neurons(NamedTuple):
    """What the hidden neurons of a network do, layer by layer.

    Parameters
    ----------
    slopes : tuple of ndarray
        Of negative pre-activations; zeros for curves.
    curves : tuple of Activation or None
        The functions, unless all of them have two slopes.
    """

    slopes: tuple[FloatArray, ...]
    curves: tuple[Activation, ...] | None


def hidden_neurons(model: CertifiedModel) -> Neurons:
    """Return what hidden neurons do, or say why that cannot be told.

    Raises
    ------
    NoCertificateError
        If the model is no sequence of dense layers and functions with two slopes, or that rise.
    """
    stages = model.scores.folded
    if len(stages) < 3 or len(stages) % 2 == 0:
        raise _refusal("it is no sequence of dense layers with one activation between two")
    for affine in stages[::2]:
        if not isinstance(affine, Affine):
            raise _refusal(f"{type(affine).__name__} is no dense layer")
    widths = [int(affine.n_outputs or 0) for affine in stages[:-1:2]]
    curves = [_rising(stage) for stage in stages[1::2]]
    if all(curve.name in _TWO_SLOPES for curve in curves):
        slopes = map(_negative_slope, curves, widths)
        return Neurons(tuple(slopes), None)
    return Neurons(tuple(np.zeros(width) for width in widths), tuple(curves))


def _rising(stage: Stage) -> Activation:
    """Return the function of a stage; only of one that rises are values bounded by its ends."""
    if not isinstance(stage, Elementwise):
        raise _refusal(f"{type(stage).__name__} is no function of single neurons")
    if stage.activation.name not in _TWO_SLOPES and not stage.activation.low >= 0:
        raise _refusal(f"its activation {stage.activation.name!r} does not rise everywhere")
    return stage.activation


def _negative_slope(activation: Activation, width: int) -> FloatArray:
    slope = -np.asarray(activation.function(np.full(width, -1.0)), dtype=np.float64)
    if not ((slope >= 0) & (slope <= 1)).all():
        raise _refusal("slopes of negative neurons lie outside [0, 1]")
    return slope + 0.0


def _refusal(reason: str) -> NoCertificateError:
    return NoCertificateError(f"The model has no proof by linear relaxation: {reason}.")


def moved_layers(
    model: CertifiedModel,
    seen: SeenRows,
    neurons: Neurons,
    norm: Norm,
    *,
    boxed: bool,
) -> tuple[MovedLayers, tuple[Stage, ...]]:
    """Return the layers for rows seen in a norm, and the stages whose numbers they are.

    The first of those stages maps moves, without the bias of the row. Moves that are `boxed` are
    looked at cell by cell.
    """
    stages = model.scores.folded
    if seen.directions.ndim == 2 or (seen.directions != 1.0).any():
        stages = CertifiedMap([Affine(seen.directions), *model.scores.stages]).folded
    affine = [stage for stage in stages if isinstance(stage, Affine)]
    weights = [np.ascontiguousarray(stage.dense()) for stage in affine]
    n_terms = 8 * (sum(weight.shape[0] for weight in weights) + weights[0].shape[1] + 64)
    turned = weights[0]
    if norm.order == 2 and weights[0].shape[1] > weights[0].shape[0]:
        # L2 lengths of combinations of the rows are those of a smaller, rotated matrix. QR changes
        # each row by less than 8 times its size times as many roundings as it has terms.
        n_terms += 8 * weights[0].size
        upper = np.asarray(np.linalg.qr(weights[0].T, mode="r"))
        turned = np.ascontiguousarray(upper.T)
    if not boxed:
        weights[0] = turned
    biases = tuple(np.broadcast_to(stage.bias, (stage.n_outputs,)) for stage in affine[1:])
    # Lines around curves have offsets, as large as what they are lines around.
    unit = (2 if neurons.curves is None else 8) * n_terms * UNIT_ROUNDOFF
    layers = MovedLayers(tuple(weights), turned, biases, *neurons, norm, unit)
    return layers, stages
