"""Attacks of the Adversarial Robustness Toolbox, on any scikit-learn classifier."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any, ClassVar, NoReturn

import numpy as np

from specreg_sklearn._typing import Classifier, RandomState
from specreg_sklearn.attacks.art._one_row import ArtRow, StopRow
from specreg_sklearn.attacks.art._session import art_session, import_art
from specreg_sklearn.attacks.art._support import SUPPORTED, check_art_name, check_input_shape
from specreg_sklearn.attacks.frame import ATTACK_OF_NORM, BlackBoxAttack, Starts
from specreg_sklearn.attacks.questions import Margins, ScoredPredict, SearchTask
from specreg_sklearn.space import check_norm
from specreg_sklearn.tables import Predict

# What this class sets itself; a user who wants another value wants another attack.
_OURS = {
    "classifier": "the estimator is given to run",
    "estimator": "the estimator is given to run",
    "verbose": "use run(..., verbose=1)",
    "verbose_es": "use run(..., verbose=1)",
    "summary_writer": "no files are written",
    "eval_perform": "distances are in the result of run",
    "adv_criterion": "success is what the estimator's predict says",
}
_WHOLE_BLOCK = 2**20
# How many features ART's ZooAttack tries at a time, at most.
_ZOO_BLOCK = 128


class ARTAttack(BlackBoxAttack):
    """An evasion attack of the Adversarial Robustness Toolbox (ART).

    ART's algorithm does the search. Around it, :meth:`run` does what ART leaves open: it starts
    from data rather than noise, keeps the best point that was asked, stops at `eps` and at
    `max_queries`, bisects the result (ART stops on the far side of the boundary) and verifies it in
    the dtype of `X`.

    Parameters
    ----------
    name : str
        Class in ``art.attacks.evasion``. With it come the parameters used where none are given;
        ART's own defaults ask for ten times as many predictions. The user guide lists all classes,
        and why the others are refused. From predicted labels:

        - "HopSkipJump" (Chen et al., arXiv:1904.02144), L2 and Linf: the default choice.
          ``max_iter=10, init_eval=100``: about 2500 queries per row (ART's defaults: 25 000).
        - "BoundaryAttack" (Brendel et al., arXiv:1712.04248), L2: a random walk along the boundary.
          ``max_iter=100``: about 3000 queries per row.
        - "SignOPTAttack" (Cheng et al., arXiv:1909.10773), L2: asks for one row at a time, so it is
          slow, and draws its own start. ``max_iter=10, num_trial=100, k=50``: 1000 to 2000 queries.

        From scores (``decision_function``, else ``predict_proba``):

        - "ZooAttack" (Chen et al., arXiv:1708.03999), L2: descends along differences of scores.
          ``max_iter=40, learning_rate=0.05, initial_const=1.0, abort_early=False``: 160 queries per
          feature.
        - "SimBA" (Guo et al., arXiv:1905.07121), L2: one feature after the other,
          up to its first success. ``attack="px", epsilon=0.1, max_iter=300``: up to 1200 queries.

        From scores, on images only (see `input_shape`):

        - "SquareAttack" (Andriushchenko et al., arXiv:1912.00049), Linf: squares of size `eps`,
          which has to be given to :meth:`run`. ``max_iter=300``: up to 1800 queries.
        - "ThresholdAttack" (Linf) and "PixelAttack" (L2) (Vargas and Kotyan, arXiv:1906.06026):
          evolution of grey levels, of all pixels or of few. ``es=1, max_iter=10``: about 40 000 and
          24 000 queries.
    norm : {2, inf}, default=2
        See `name` for which attack supports which.
    max_queries : int or None, default=None
        Budget of each row, as in :class:`BlackBoxAttack`. None leaves it to ART's own parameters.
        An attack that uses up its budget is interrupted; what it found before counts. Attacks from
        scores pay two queries for each point, one for its label and one for its scores.
    n_starts, starts, targeted, batch_rows, random_state, n_repeats
        As in :class:`BlackBoxAttack`. Attacks from scores begin at the clean row; of the starts,
        they only have to come nearer.
    input_shape : None or (channels, height, width), default=None
        Shape of the images that the rows of `X` are, flattened in this order. It is needed by
        attacks on images and by ``attack="dct"`` of "SimBA", and plays no part elsewhere.
    **art_parameters
        Parameters of the ART class, such as `max_iter`. Lengths are in units of the space's scale.
        They appear in ``get_params``.

    Raises
    ------
    ValueError
        If `name` is no attack of ART, or one that cannot work here; the message gives the reason.

    See Also
    --------
    as_art_classifier : A classifier for ART's own classes, to be used without this one.

    Notes
    -----
    ART draws from the global generators of numpy and Python. They are seeded for each row and
    restored, under a lock, so results are the same with threads and processes, but only processes
    run in parallel. Each row is a call of its own with the same seed: its result does not depend on
    the others.

    ART always runs untargeted on a model of two classes: the row as it is, and success. Success of
    a `targeted` attack is that the wanted label is predicted.

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
        starts: Starts = "data",
        targeted: bool = False,
        batch_rows: int = 16384,
        random_state: RandomState = 0,
        n_repeats: int | None = None,
        input_shape: tuple[int, int, int] | None = None,
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
            n_repeats=n_repeats,
        )
        self.name = name
        self.input_shape = input_shape
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
        norms = SUPPORTED[self.name].norms
        check_norm(self.norm, norms, f"ART's {self.name}", instead=ATTACK_OF_NORM)
        for parameter in self.art_parameters:
            if parameter in _OURS:
                raise ValueError(f"{parameter} cannot be set: {_OURS[parameter]}.")
        check_input_shape(self.name, self.input_shape)
        if self.name == "SimBA" and self.input_shape is None:
            if self.art_parameters.get("attack", "px") != "px":
                raise ValueError(
                    f"attack={self.art_parameters['attack']!r} of ART's SimBA needs images: give "
                    "input_shape=(channels, height, width), or attack='px'."
                )
        if self.name == "SquareAttack" and self.input_shape is not None:
            _check_squares(self.input_shape, self.art_parameters.get("p_init", 0.8))

    def _check_run(self, n_features: int, eps: float | None) -> None:
        if self.input_shape is not None and np.prod(self.input_shape) != n_features:
            raise ValueError(
                f"input_shape={self.input_shape!r} stands for {np.prod(self.input_shape)} columns, "
                f"but X has {n_features}."
            )
        if self.name == "SquareAttack" and not eps and "eps" not in self.art_parameters:
            raise ValueError(
                f"eps={eps!r}: ART's SquareAttack looks for rows within a given distance, so run "
                "needs an eps > 0. 'ThresholdAttack' and 'HopSkipJump' look for the smallest one."
            )

    def _prepare(self) -> None:
        # ART's own checks run in its constructor: try it now rather than after the starts.
        if not self.art_parameters:
            return
        attack_class, classifiers = self._art_classes()
        model = classifiers.BlackBoxClassifierNeuralNetwork(
            _no_prediction, input_shape=(1, 1, 1), nb_classes=2, clip_values=(0, 1)
        )
        arguments = self._art_arguments(attack_class)
        try:
            with art_session(0):
                attack_class(model, **arguments)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"ART's {self.name} does not accept {self.art_parameters}: {error}"
            ) from error

    def _name(self) -> str:
        return f"art/{self.name}"

    def _predict_of(self, estimator: Classifier) -> Predict:
        if SUPPORTED[self.name].scores:
            return ScoredPredict(estimator, "auto", needed_by=f"ART's {self.name}")
        return super()._predict_of(estimator)

    def _art_classes(self) -> tuple[type, ModuleType]:
        evasion = import_art("art.attacks.evasion")
        return getattr(evasion, self.name), import_art("art.estimators.classification")

    def _art_arguments(self, attack_class: type) -> dict[str, Any]:
        """Return the keyword arguments for ART's class: the user's, lean defaults, and ours."""
        known = set(inspect.signature(attack_class).parameters)
        given = {**SUPPORTED[self.name].defaults, **self.art_parameters}
        unknown = sorted(set(given) - known)
        if unknown:
            valid = sorted(known - set(_OURS) - {"norm", "targeted"})
            raise ValueError(f"ART's {self.name} has no parameter {unknown}; accepted: {valid}.")
        ours = {
            # Calls are not cut by it (see ArtRow); two attacks accept nothing but 1.
            "batch_size": 1 if SUPPORTED[self.name].scores else _WHOLE_BLOCK,
            "targeted": False,
            "verbose": False,
            "norm": self.norm,
        }
        return {**{k: v for k, v in ours.items() if k in known}, **given}

    def _arguments_of_row(self, row: ArtRow) -> dict[str, Any]:
        """Return the keyword arguments that depend on the row."""
        given, stop = self.art_parameters, row.task.stop_distance
        if self.name == "ZooAttack":
            return {"nb_parallel": min(given.get("nb_parallel", _ZOO_BLOCK), len(row.free))}
        if self.name == "SquareAttack" and "eps" not in given:
            # A row that stopped in vain is searched again, with no distance to stop at.
            wanted = stop if stop > 0 else 0.8 * row.task.oracle.best_distance[row.row]
            # float32 must not round the step beyond it.
            return {"eps": wanted * (1 - 1e-6)}
        if self.name == "ThresholdAttack" and "th" not in given and stop > 0:
            return {"th": max(1, int(stop / row.level))}
        return {}

    def _search(self, task: SearchTask) -> None:
        attack_class, classifiers = self._art_classes()
        arguments = self._art_arguments(attack_class)
        support = SUPPORTED[self.name]
        margins = Margins(task.oracle) if support.scores else None
        for i in task.active():
            row = ArtRow(task, int(i), support, input_shape=self.input_shape, margins=margins)
            with art_session(task.seed):
                try:
                    if len(row.free):
                        model = row.classifier(classifiers)
                        attack = attack_class(model, **arguments, **self._arguments_of_row(row))
                        # What it returns is dropped: the oracle has seen every point.
                        if support.scores:
                            attack.generate(row.origin())
                        elif (start := row.start()) is not None:
                            attack.generate(row.origin(), x_adv_init=start)
                except StopRow:
                    pass
            task.report(1)


def _check_squares(input_shape: tuple[int, int, int], share: float) -> None:
    """Raise ValueError if the first square would not fit into the image."""
    _, height, width = input_shape
    if max(round((share * height * width) ** 0.5), 1) >= min(height, width):
        raise ValueError(
            f"ART's SquareAttack puts squares into images that are larger than they are. With "
            f"input_shape={input_shape!r}, p_init={share!r} is too much."
        )


def _no_prediction(steps: object) -> NoReturn:
    raise AssertionError("Only the parameters of the attack are being checked.")
