"""Attacks of the Adversarial Robustness Toolbox, on any scikit-learn classifier."""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

from specreg_sklearn.attacks._art_row import ArtRow, StopRow, art_classifier
from specreg_sklearn.attacks._art_session import art_session, import_art
from specreg_sklearn.attacks._art_support import LEAN_DEFAULTS, SUPPORTED, check_art_name
from specreg_sklearn.attacks._base import BlackBoxAttack
from specreg_sklearn.attacks._checks import check_norm
from specreg_sklearn.attacks._search import SearchTask

# What this class sets itself; a user who wants another value wants another attack.
_OURS = {
    "classifier": "the estimator is given to run",
    "estimator": "the estimator is given to run",
    "verbose": "use run(..., verbose=1)",
    "summary_writer": "no files are written",
    "eval_perform": "distances are in the result of run",
}
_WHOLE_BLOCK = 2**20


class ARTAttack(BlackBoxAttack):
    """An evasion attack of the Adversarial Robustness Toolbox (ART).

    ART's algorithm does the search. Around it, :meth:`run` does what ART leaves open: it starts
    from data rather than noise, keeps the best point that was asked, stops at `eps`, bisects the
    result (ART stops on the far side of the boundary) and verifies it in the dtype of `X`.

    Parameters
    ----------
    name : {"HopSkipJump", "BoundaryAttack", "SignOPTAttack"}
        Class in ``art.attacks.evasion``. Others need gradients, scores or images.

        - "HopSkipJump" (Chen et al., arXiv:1904.02144): the default choice. With
          ``max_iter=10, init_eval=100``, used here where nothing is given, it asks for about
          2500 predictions per row; ART's own defaults ask for about 25 000.
        - "BoundaryAttack" (Brendel et al., arXiv:1712.04248): a random walk along the boundary.
          ``max_iter=100`` where nothing is given.
        - "SignOPTAttack" (Cheng et al., arXiv:1909.10773): asks for one row at a time, so it is
          slow. ``max_iter=10, num_trial=20, k=50`` where nothing is given.
    norm : {2, inf}, default=2
        "HopSkipJump" supports both, the others L2 only.
    n_starts, batch_rows, random_state
        As in :class:`BlackBoxAttack`.
    **art_parameters
        Parameters of the ART class, such as `max_iter`. They appear in ``get_params``.

    Raises
    ------
    ValueError
        If `name` is no attack of ART, or one that cannot work on tables with predicted labels only;
        the message gives the reason.

    Notes
    -----
    ART draws from the global generator of numpy. It is seeded for each row and restored, under a
    lock, so results are the same with threads and processes, but only processes run in parallel.
    Each row is a call of its own with the same seed: its result does not depend on the others.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.linear_model import LogisticRegression
    >>> from specreg_sklearn.attacks import ARTAttack
    >>> X, y = load_iris(return_X_y=True)
    >>> model = LogisticRegression(max_iter=500).fit(X, y)
    >>> attack = ARTAttack("HopSkipJump", max_iter=3, random_state=0)
    >>> result = attack.run(model, X[:3], y[:3], pool=X)
    >>> result.status
    array(['found', 'found', 'found'], dtype='<U14')
    >>> model.predict(result.X_adv) != y[:3]
    array([ True,  True,  True])
    """

    _parts_per_worker: ClassVar[int] = 4

    def __init__(
        self,
        name: str,
        *,
        norm: float = 2,
        max_queries: int | None = None,
        n_starts: int = 9,
        starts: Any = "data",
        targeted: bool = False,
        batch_rows: int = 16384,
        random_state: Any = 0,
        **art_parameters: Any,
    ) -> None:
        # Raised here, unlike other parameters: a wrong name is worth knowing at once.
        check_art_name(name)
        super().__init__(
            norm=norm,
            max_queries=max_queries,
            n_starts=n_starts,
            starts=starts,
            targeted=targeted,
            batch_rows=batch_rows,
            random_state=random_state,
        )
        self.name = name
        self.art_parameters = art_parameters

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters, those of ART included.

        Parameters
        ----------
        deep : bool, default=True
            As in scikit-learn.

        Returns
        -------
        dict
            Parameter names and values.
        """
        return {**super().get_params(deep=deep), **self.art_parameters}

    def set_params(self, **params: Any) -> ARTAttack:
        """Set parameters; names that this class does not know go to ART.

        Parameters
        ----------
        **params
            Parameter names and values.

        Returns
        -------
        ARTAttack
            This object.
        """
        if "name" in params:
            check_art_name(params["name"])
        own = self._get_param_names()
        super().set_params(**{k: v for k, v in params.items() if k in own})
        self.art_parameters.update({k: v for k, v in params.items() if k not in own})
        return self

    def _check_parameters(self) -> None:
        check_art_name(self.name)
        super()._check_parameters()
        check_norm(self.norm, SUPPORTED[self.name], f"ART's {self.name}")
        for parameter in self.art_parameters:
            if parameter in _OURS:
                raise ValueError(f"{parameter} cannot be set: {_OURS[parameter]}.")

    def _prepare(self) -> None:
        # ART's own checks run in its constructor: try it now rather than after the starts.
        if not self.art_parameters:
            return
        attack_class, classifiers = self._art_classes()
        model = classifiers.BlackBoxClassifier(_no_prediction, input_shape=(1,), nb_classes=2)
        arguments = self._art_arguments(attack_class)
        try:
            with art_session(0):
                attack_class(model, **arguments)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"ART's {self.name} does not accept {self.art_parameters}: {error}"
            ) from error

    def _art_classes(self) -> tuple[type, Any]:
        evasion = import_art("art.attacks.evasion")
        return getattr(evasion, self.name), import_art("art.estimators.classification")

    def _art_arguments(self, attack_class: type) -> dict[str, Any]:
        """Return the keyword arguments for ART's class: the user's, lean defaults, and ours."""
        known = set(inspect.signature(attack_class).parameters)
        given = {**LEAN_DEFAULTS[self.name], **self.art_parameters}
        unknown = sorted(set(given) - known)
        if unknown:
            valid = sorted(known - set(_OURS) - {"norm"})
            raise ValueError(f"ART's {self.name} has no parameter {unknown}; accepted: {valid}.")
        ours = {
            "batch_size": _WHOLE_BLOCK,
            "targeted": False,
            "verbose": False,
            "norm": self.norm,
        }
        return {**{k: v for k, v in ours.items() if k in known}, **given}

    def _search(self, task: SearchTask) -> None:
        attack_class, classifiers = self._art_classes()
        arguments = self._art_arguments(attack_class)
        for i in task.active():
            row = ArtRow(task, int(i))
            with art_session(task.seed):
                try:
                    start = row.start() if len(row.free) else None
                    if start is not None:
                        attack = attack_class(art_classifier(row, classifiers), **arguments)
                        _generate(attack, start)
                except StopRow:
                    pass
            task.report(1)


def _no_prediction(steps: Any) -> Any:
    raise AssertionError("Only the parameters of the attack are being checked.")


def _generate(attack: Any, start: Any) -> None:
    # The clean row is the origin. What ART returns is dropped: the oracle has seen every point.
    attack.generate(start * 0, x_adv_init=start)
