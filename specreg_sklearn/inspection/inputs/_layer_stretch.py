"""How much every layer's output changes when a row is perturbed: at random, and at worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from specreg_sklearn._typing import Classifier, RandomState, Scale
from specreg_sklearn.inspection.inputs._row_perturbations import (
    PerturbableRows,
    ascend,
    random_perturbations,
)
from specreg_sklearn.inspection.model import (
    ModelView,
    PerLayer,
    Report,
    check_layer_names,
    check_positive,
    rows_of,
    units_of,
)
from specreg_sklearn.tables import check_positive_int, check_seed

SHOWN = ("random_mean", "random_std", "adversarial_mean", "anisotropy")
_BLOCK_ROWS = 1024


@dataclass(frozen=True, repr=False, eq=False)
class LayerStretch(Report):
    """Stretch of one layer: distance of its outputs over distance of the rows.

    Parameters
    ----------
    random : ndarray of shape (n_samples, n_directions)
        Stretch in random directions, uniform on the sphere.
    adversarial : ndarray of shape (n_samples,)
        The largest stretch found for each row; never below its random ones.
    radius : float
        Length of the perturbations.
    """

    random: np.ndarray
    adversarial: np.ndarray
    radius: float

    @property
    def random_mean(self) -> float:
        """Mean over rows and random directions."""
        return float(self.random.mean())

    @property
    def random_rms(self) -> float:
        """Root mean square over rows and random directions."""
        return float(np.sqrt(np.mean(self.random**2)))

    @property
    def random_std(self) -> float:
        """Standard deviation over the random directions of a row, averaged over rows."""
        return float(self.random.std(axis=1).mean())

    @property
    def adversarial_mean(self) -> float:
        """Mean of the largest stretch over rows."""
        return float(self.adversarial.mean())

    @property
    def anisotropy(self) -> float:
        """Adversarial over random mean: 1 where all directions are stretched alike."""
        return self.adversarial_mean / self.random_mean if self.random_mean > 0 else float("nan")


def layer_stretch(
    estimator: Classifier,
    X: Any,
    *,
    radius: float,
    n_directions: int = 32,
    n_steps: int = 20,
    layers: str | Sequence[str] | None = None,
    scale: Scale = None,
    random_state: RandomState = 0,
) -> PerLayer[LayerStretch]:
    """Measure how far the output of every layer changes per unit that a row is perturbed.

    With h the output of a layer, its batch norm and activation included, the stretch of a
    perturbation d is ``||h(x + d) - h(x)||_2 / ||d||_2``.

    Parameters
    ----------
    estimator : classifier, pipeline or search
        Fitted; a network or a linear model at the end.
    X : array-like or DataFrame of shape (n_samples, n_features)
        Rows, in the units of the estimator's input.
    radius : float
        Length of the perturbations, positive, in units of `scale`. Small ones probe the
        gradient; those of the size of an attack probe what the attack can use.
    n_directions : int, default=32
        Random directions for each row.
    n_steps : int, default=20
        Steps of the search for the largest stretch, one forward and one backward pass each, for
        every layer. It starts from the best random direction.
    layers : str or sequence of str, default=None
        Names of layers as in :func:`singular_value_spectrum`; None takes all.
    scale : None, "std", "range", float or array of shape (n_features,), default=None
        Units in which perturbations are measured; None is the units of `X`. Give "std" for a
        pipeline that scales its columns.
    random_state : None, int, RandomState or Generator, default=0
        Seed of the directions.

    Returns
    -------
    PerLayer
        A mapping from layer name to :class:`LayerStretch`, with arrays `random` and `adversarial`
        and the numbers `random_mean`, `random_rms`, `random_std`, `adversarial_mean` and
        `anisotropy`.

    Raises
    ------
    TypeError, ValueError, sklearn.exceptions.NotFittedError
        As :func:`logit_margins`, and if a parameter is not accepted.

    See Also
    --------
    feature_jacobian_spectrum : The stretch of infinitely small perturbations, in all directions.
    certified_radius : What a proved bound of the stretch says about labels.

    Notes
    -----
    The search finds a lower bound of the largest stretch; for a linear layer it is a power
    iteration. Random stretch falls with weight decay as much as with adversarial training; the
    anisotropy tells the two apart.

    References
    ----------
    Wen, Li, Jia, "Towards understanding the regularization of adversarial robustness on neural
    networks", ICML 2020, for the smoothness of features as an effect of adversarial training.

    Examples
    --------
    For a linear model the largest stretch is its spectral norm.

    >>> import numpy as np
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from specreg_sklearn.inspection import layer_stretch
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=500).fit(X, y)
    >>> stretch = layer_stretch(model, X[:20], radius=0.5)["logits"]
    >>> norm = np.linalg.norm(model.coef_, 2)
    >>> bool(np.allclose(stretch.adversarial, norm, rtol=1e-3))
    True
    >>> bool(stretch.anisotropy > 1)
    True
    """
    length = check_positive(radius, "radius")
    check_positive_int(n_directions, "n_directions")
    check_positive_int(n_steps, "n_steps", least=0)
    view = ModelView(estimator)
    rows = rows_of(view, X)
    units = units_of(view, X, scale)
    generator = torch.Generator().manual_seed(check_seed(random_state))
    with torch.no_grad():
        known = list(view.layer_outputs(torch.from_numpy(rows[:1])))
    names = check_layer_names(layers, known, type(estimator).__name__)
    parts = []
    for x in torch.from_numpy(rows).split(_BLOCK_ROWS):
        probe = _Probe(view, x, units, length)
        parts.append(probe.stretches(names, n_directions, n_steps, generator))
    results = {
        name: LayerStretch(
            random=np.concatenate([part[name][0] for part in parts]),
            adversarial=np.concatenate([part[name][1] for part in parts]),
            radius=length,
        )
        for name in names
    }
    return PerLayer(results, SHOWN)


class _Probe:
    """Perturbations of a block of rows, and what they do to the layers."""

    def __init__(self, view: ModelView, x: Tensor, units: np.ndarray, radius: float) -> None:
        self.view, self.radius, self.rows = view, radius, PerturbableRows(x, units)
        with torch.no_grad():
            self.clean = view.layer_outputs(x)

    def stretches(
        self, names: list[str], n_directions: int, n_steps: int, generator: torch.Generator
    ) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        """Return (random, adversarial) by layer."""
        random: dict[str, list[Tensor]] = {name: [] for name in names}
        best: dict[str, Tensor] = {}
        top: dict[str, Tensor] = {}
        for _ in range(n_directions):
            drawn = random_perturbations(self.rows.shape, self.radius, 2, generator)
            with torch.no_grad():
                outputs = self.view.layer_outputs(self.rows.after(drawn))
            for name in names:
                value = self._ratio(name, outputs)
                random[name].append(value)
                if name not in best:
                    best[name], top[name] = drawn, value
                    continue
                better = value > top[name]
                best[name] = torch.where(better[:, None], drawn, best[name])
                top[name] = torch.where(better, value, top[name])
        return {
            name: (
                torch.stack(random[name], dim=1).numpy(),
                self._largest(name, best[name], n_steps).numpy(),
            )
            for name in names
        }

    def _ratio(self, name: str, outputs: dict[str, Tensor]) -> Tensor:
        return torch.linalg.vector_norm(outputs[name] - self.clean[name], dim=1) / self.radius

    def _largest(self, name: str, start: Tensor, n_steps: int) -> Tensor:
        def squared(perturbations: Tensor) -> Tensor:
            outputs = self.view.layer_outputs(self.rows.after(perturbations))
            # Where two outputs are equal, the norm itself has no gradient.
            return (outputs[name] - self.clean[name]).square().sum(dim=1)

        highest = ascend(
            squared, start, radius=self.radius, norm=2, n_steps=n_steps, on_sphere=True
        )
        return highest.sqrt() / self.radius
