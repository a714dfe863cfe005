"""The contract between an attack and its frame: all that the frame calls or reads of an attack."""

from __future__ import annotations

from abc import abstractmethod
from numbers import Real
from typing import ClassVar, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn import _registry
from specreg_sklearn._typing import Classifier, RandomState
from specreg_sklearn.attacks.questions import FINAL_QUERIES, VERIFY_QUERIES, SearchTask
from specreg_sklearn.space import check_norm
from specreg_sklearn.tables import Predict, check_positive_int

Starts: TypeAlias = Literal["data", "uniform"] | ArrayLike
"""Where an attack starts: from rows of data, from noise, or from the rows given."""

ATTACK_OF_NORM: dict[float, str] = {
    2: "CGBA",
    np.inf: "RayS",
    1: "ThresholdSearch",
    0: "ThresholdSearch",
}
"""What to turn to where an attack does not know a norm."""

# A start, the last bisection, and two verifications (the second after a stop in vain).
LEAST_QUERIES = 1 + FINAL_QUERIES + 2 * VERIFY_QUERIES


class AttackHooks(Protocol):
    """Parameters, settings and hooks of an attack, with the defaults of the hooks.

    ``BlackBoxAttack`` takes them over. A subclass has to implement ``_search``; it may set the
    class attributes and override the other hooks. The guide "Write your own attack" lists them all.
    """

    norm: float
    max_queries: int | None
    n_starts: int
    starts: Starts
    targeted: bool
    batch_rows: int
    random_state: RandomState
    n_repeats: int | None = None

    _norms: ClassVar[tuple[float, ...]] = (2, np.inf)
    """Norms that the attack supports, of those that a feature space measures: 0, 1, 2 and inf."""

    _from_boundary: ClassVar[bool] = True
    """Whether starts are bisected to the boundary before the search is called."""

    _last_bisection: ClassVar[bool] = True
    """Whether best points are bisected once more after the search, with queries set aside for it.
    A search that brings its points to the boundary itself does without: a longer run then asks all
    that a shorter one asks, and never ends farther out."""

    _within_eps: ClassVar[bool] = False
    """Whether the search looks for any row within `eps`, with no start and no use of a larger
    distance. Rows for which it finds none are "not_found": `eps` was searched, in vain."""

    _needs_start: ClassVar[bool] = True
    """Whether rows without an adversarial point to start from are left out of the search. An attack
    that can begin at the clean row is called for them, too; ``task.active()`` does not list them.
    """

    _parts_per_worker: ClassVar[int] = 1
    """Into how many parts the rows of each worker are cut. Searches that take rows one by one
    balance better over workers in more, smaller parts."""

    @abstractmethod
    def _search(self, task: SearchTask) -> None:
        """Look for nearer adversarial points of the rows of a task.

        Called once for each part of the rows, possibly in a worker, when the starts are known. The
        oracle remembers what it asks about, so it returns nothing. There is no default.
        """

    def _check_parameters(self) -> None:
        """Raise ValueError if a parameter is not accepted.

        Called first in a run, and when a name or an object becomes an attack, as for a scorer: it
        should be quick. Override it for parameters of your own, and call ``super()``. By default it
        checks the parameters that all attacks share.
        """
        check_norm(self.norm, self._norms, type(self).__name__, instead=ATTACK_OF_NORM)
        if self.n_repeats is not None:
            check_positive_int(self.n_repeats, "n_repeats")
        if self.max_queries is not None:
            least = LEAST_QUERIES * (self.n_repeats or 1)
            check_positive_int(self.max_queries, "max_queries", least=least)
        check_positive_int(self.n_starts, "n_starts")
        check_positive_int(self.batch_rows, "batch_rows")
        unknown = isinstance(self.starts, str) and self.starts not in ("data", "uniform")
        if unknown or self.starts is None or isinstance(self.starts, (bool, Real)):
            raise ValueError(
                f"starts={self.starts!r} is not 'data', 'uniform' or an array of rows."
            )
        if not isinstance(self.targeted, (bool, np.bool_)):
            raise ValueError(f"targeted={self.targeted!r} is not accepted; give True or False.")

    def _prepare(self) -> None:
        """Check what is too slow for ``_check_parameters``.

        Called once in a run, after it. By default it does nothing.
        """

    def _check_run(self, n_features: int, eps: float | None) -> None:
        """Raise ValueError if the attack cannot work with so many columns of X or this `eps`.

        Called once in a run, before the model is asked. By default it does nothing.
        """

    def _predict_of(self, estimator: Classifier) -> Predict:
        """Return the function that gives labels: rows as the user has them in, one label each out.

        Called once in a run. It is sent to the workers, so it has to pickle if the estimator does.
        By default it is ``estimator.predict``; an attack that reads scores returns a
        ``ScoredPredict``.
        """
        return estimator.predict

    def _name(self) -> str:
        """Return how a result calls the attack that found a row.

        Called once for each result. By default it is the name that the class is registered by, else
        that of the class.
        """
        return _registry.name_of("attacks", type(self))

    def _n_data_starts(self, n_features: int) -> int:
        """Return how many rows of data each row starts from; 0 for none.

        Called for each part of the rows; it must not depend on them. By default it is `n_starts`,
        or 0 if `starts` are not "data". An attack may start from fewer where its budget is small.
        """
        return self.n_starts if isinstance(self.starts, str) and self.starts == "data" else 0
