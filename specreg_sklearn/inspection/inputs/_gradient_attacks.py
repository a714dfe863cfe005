"""Attacks that see the logits: noise, one gradient step, and projected gradient ascent."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from specreg_sklearn.inspection.inputs._row_perturbations import (
    PerturbableRows,
    random_perturbations,
)
from specreg_sklearn.inspection.model import ModelView
from specreg_sklearn.objectives.perturbations import Ascent, Ball


class GradientAttacks:
    """Accuracies under attacks on one set of rows; all attacks start from the same seed.

    `codes` are the true classes of the rows, and `units` the unit of each column, 0 for columns
    that cannot change.
    """

    def __init__(
        self,
        view: ModelView,
        rows: np.ndarray,
        codes: np.ndarray,
        units: np.ndarray,
        norm: float,
        seed: int,
    ) -> None:
        self._view, self._rows, self._units = view, torch.from_numpy(rows), units
        self._norm, self._seed = norm, seed
        self._codes = torch.from_numpy(codes)
        logits = torch.from_numpy(view.evaluate(view.logits, rows))
        # The other classes of every row, the likeliest first.
        order = logits.scatter(1, self._codes[:, None], -torch.inf).argsort(1, descending=True)
        self._others = order[:, :-1]
        self.clean_codes = logits.argmax(dim=1).numpy()
        self._right = torch.from_numpy(self.clean_codes == codes)
        self.clean = float(self._right.double().mean())

    def after_noise(self, eps: float) -> float:
        """Return the accuracy under one random perturbation on the surface of the ball."""
        task = self._task(torch.arange(len(self._rows)))
        noise = random_perturbations(task.rows.shape, float(eps), self._norm, self._generator())
        return self._accuracy(task.fooled(noise))

    def after_one_step(self, eps: float) -> float:
        """Return the accuracy under one gradient step from the row itself."""
        search = Ascent(n_steps=1, step_size=float(eps), start_share=0.0, use_best=False)
        task = self._task(torch.arange(len(self._rows)))
        return self._accuracy(task.fooled(self._worst(task, search, eps)))

    def after_ascent(self, eps: float, n_steps: int, n_restarts: int) -> float:
        """Return the accuracy under projected gradient ascent towards all other classes."""
        search = Ascent(n_steps=n_steps, start_share=0.0, n_restarts=n_restarts)
        fooled = ~self._right
        for place in (None, *range(self._others.shape[1])):
            left = torch.nonzero(~fooled).ravel()
            if not len(left):
                break
            task = self._task(left, place)
            fooled[left] = task.fooled(self._worst(task, search, eps))
        return self._accuracy(fooled)

    def _task(self, rows: Tensor, place: int | None = None) -> _Task:
        targets = None if place is None else self._others[rows, place]
        perturbable = PerturbableRows(self._rows[rows], self._units)
        return _Task(self._view, perturbable, self._codes[rows], targets)

    def _worst(self, task: _Task, search: Ascent, eps: float) -> Tensor:
        centre = torch.zeros(task.rows.shape, dtype=torch.float64)
        return search.worst(task.lead, Ball(centre, self._norm, float(eps)), self._generator())

    def _accuracy(self, fooled: Tensor) -> float:
        return float((self._right & ~fooled).double().mean())

    def _generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(self._seed)


class _Task:
    """Some rows, their classes, and the classes they should be taken for; None for any."""

    def __init__(
        self, view: ModelView, rows: PerturbableRows, codes: Tensor, targets: Tensor | None
    ) -> None:
        self.view, self.rows, self.codes, self.targets = view, rows, codes, targets

    def lead(self, perturbations: Tensor) -> Tensor:
        """Return by how much the logit of the target is above that of the true class."""
        logits = self.view.logits(self.rows.after(perturbations))
        true = logits.gather(1, self.codes[:, None])[:, 0]
        if self.targets is not None:
            return logits.gather(1, self.targets[:, None])[:, 0] - true
        return logits.scatter(1, self.codes[:, None], -torch.inf).amax(dim=1) - true

    def fooled(self, perturbations: Tensor) -> Tensor:
        """Return which rows get a wrong label after the perturbations."""
        with torch.no_grad():
            return self.view.logits(self.rows.after(perturbations)).argmax(dim=1) != self.codes
