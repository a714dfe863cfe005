"""The strongest attack at hand: several attacks in turn, and the nearest row of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, NoReturn

import numpy as np
from numpy.typing import ArrayLike

from specreg_sklearn._typing import BoolArray, Classifier
from specreg_sklearn.attacks._resolve import resolve_attack
from specreg_sklearn.attacks.frame import (
    AttackInterrupted,
    AttackResult,
    BlackBoxAttack,
    NearestOfAll,
    interrupted,
)
from specreg_sklearn.attacks.questions import ScoredPredict, SearchTask
from specreg_sklearn.space import NORMS, FeatureSpace
from specreg_sklearn.tables import check_eps, check_estimator, take_rows

_PARTS = ("auto", "scores", "gradients")
# What every attack has in common, and is handed on to parts that are named.
_SHARED = tuple(parameter.name for parameter in fields(BlackBoxAttack))


@dataclass(kw_only=True, eq=False, repr=False)
class Strongest(BlackBoxAttack):
    """Labels, scores and gradients: every attack that a model allows, and the nearest row of all.

    The number to publish. An attack gives an upper bound of the true distance, and no attack is
    best on every row: on trees those by labels and those by scores fail on different ones. So each
    part runs on its own, and of each row the nearest adversarial one is kept, asked about once more
    on the array that is handed back, with the name of the attack that found it in ``found_by``.

    Parts do not start where others ended. What one finds with a larger budget would change what the
    next one does, and more budget could then end farther away.

    Parameters
    ----------
    norm : {0, 1, 2, inf}, default=2
        The norm in which distances are measured, on ``(X_adv - X) / scale``.
    max_queries : int or None, default=1000
        Budget of each row in *each part*: with three parts a row may cost three times as much.
        ``n_queries`` of the result counts all of them.
    n_starts, starts, targeted, batch_rows, random_state, n_repeats
        As in :class:`BlackBoxAttack`, for all parts that are names.
    attacks : sequence of str or BlackBoxAttack, or None, default=None
        The parts, in order. None takes "auto" (labels), "scores" where the model has
        ``decision_function`` or ``predict_proba``, and "gradients" for the networks of this
        package. Parts that are given are all run: an error says what the model lacks.

    Notes
    -----
    With `eps` a row that one part has found within it is not attacked by the next ones.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from specreg_sklearn.attacks import Strongest
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> forest = RandomForestClassifier(20, random_state=0).fit(X, y)
    >>> result = Strongest(max_queries=200).run(forest, X[:8], y[:8], pool=X)
    >>> sorted(set(result.found_by.tolist()) - {""})
    ['cgba', 'scores']
    """

    _norms: ClassVar[tuple[float, ...]] = tuple(NORMS)

    attacks: tuple[str | BlackBoxAttack, ...] | list[str | BlackBoxAttack] | None = None

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.attacks is None:
            return
        if isinstance(self.attacks, (str, BlackBoxAttack)) or not len(self.attacks):
            raise ValueError(
                f"attacks={self.attacks!r} is not a sequence of attacks, such as "
                "('auto', 'scores'), or None."
            )
        for part in self._given_parts():
            if part.norm != self.norm or part.targeted != self.targeted:
                raise ValueError(
                    f"attacks holds {part!r}, but norm={self.norm!r} and targeted="
                    f"{self.targeted!r} here; parts are compared, so these must be the same."
                )

    def _search(self, task: SearchTask) -> NoReturn:
        """Refuse: what searches are the parts, each in a run of its own."""
        raise TypeError("Strongest has no search of its own; call run, which runs its parts.")

    def run(
        self,
        estimator: Classifier,
        X: Any,
        y: Any,
        *,
        eps: float | None = None,
        space: FeatureSpace | None = None,
        pool: ArrayLike | None = None,
        n_jobs: int | None = None,
        verbose: int = 0,
        resume: AttackResult | None = None,
        on_error: Literal["auto", "raise", "keep"] = "auto",
        witnesses: Mapping[str, Any] | None = None,
    ) -> AttackResult:
        """Run all parts, and keep the nearest row of each; see :meth:`BlackBoxAttack.run`.

        Parameters
        ----------
        estimator, X, y, eps, space, pool, n_jobs, verbose, on_error
            As in :meth:`BlackBoxAttack.run`.
        resume : AttackResult or None, default=None
            Go on from an earlier result of the same parts: each goes on from its own.
        witnesses : dict of str to container like X, or None, default=None
            Rows that somebody else has found, such as a proof that ends in a counterexample, by the
            name that ``found_by`` shall give; one row per row of `X`. They are brought into the
            space and asked about, which costs one query a row; a row that does not fool the model
            then is passed over.

        Returns
        -------
        AttackResult
            As of any attack; the status is that of the part that found the nearest row.
        """
        self._check_parameters()
        check_estimator(estimator)
        eps = None if eps is None else check_eps(eps)
        parts = self.parts_for(estimator)
        if space is None:
            space = FeatureSpace.from_data(X if pool is None else pool)
        nearest = NearestOfAll(estimator, X, y, space, norm=self.norm, targeted=self.targeted)
        before = nearest.results_before(resume, [part._name() for part in parts])
        for name, rows in (witnesses or {}).items():
            nearest.add_witness(name, rows)
        for k, part in enumerate(parts):
            rows = self._left(nearest, eps, before[k])
            if not len(rows):
                continue
            some = len(rows) < len(nearest)
            try:
                found = part.run(
                    estimator,
                    take_rows(X, rows) if some else X,
                    nearest.y[rows],
                    eps=eps,
                    space=space,
                    pool=X if pool is None and some else pool,
                    n_jobs=n_jobs,
                    verbose=verbose,
                    resume=before[k],
                    on_error=on_error,
                )
            except (Exception, KeyboardInterrupt) as error:
                if isinstance(error, AttackInterrupted):
                    nearest.add(k, part._name(), rows, error.result)
                if not nearest.any_found:
                    raise
                raise interrupted(error, nearest.result(eps, verified=False)) from error
            nearest.add(k, part._name(), rows, found)
            if (found.status == "interrupted").any():
                return nearest.result(eps, verified=False)
        return nearest.result(eps)

    def parts_for(self, estimator: Classifier) -> list[BlackBoxAttack]:
        """Return the attacks that are run on an estimator.

        Raises
        ------
        TypeError or ValueError
            If the estimator lacks what a part needs that was asked for by `attacks`.
        """
        if self.attacks is not None:
            parts = self._given_parts()
            for part in parts:
                _check_has_what_it_needs(part, estimator)
            return parts
        found = []
        for name in _PARTS:
            try:
                part = resolve_attack(name, **self._shared())
                _check_has_what_it_needs(part, estimator)
            except (TypeError, ValueError):
                continue
            found.append(part)
        if not found:
            raise ValueError(f"No attack of {list(_PARTS)} supports norm={self.norm!r}.")
        return found

    def _given_parts(self) -> list[BlackBoxAttack]:
        return [resolve_attack(part, **self._shared()) for part in self.attacks or ()]

    def _shared(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _SHARED}

    def _left(
        self, nearest: NearestOfAll, eps: float | None, before: AttackResult | None
    ) -> np.ndarray:
        """Return the rows for the next part: not those that are within eps already."""
        every = np.arange(len(nearest))
        # Starts of the user's own, and what is resumed, belong to the rows one by one.
        if eps is None or before is not None or not isinstance(self.starts, str):
            return every
        left: BoolArray = nearest.distances > eps
        return np.flatnonzero(left)


def _check_has_what_it_needs(part: BlackBoxAttack, estimator: Classifier) -> None:
    """Raise if the estimator has no scores, or no gradients, and the part needs them."""
    source = part._predict_of(estimator)
    if isinstance(source, ScoredPredict):
        _ = source.classes
