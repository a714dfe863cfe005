"""A weighted sum of penalties, which one strength multiplies as a whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, Self

import torch
from sklearn.base import clone
from torch import Tensor, nn

from specreg_sklearn._registry import available, name_of, resolve
from specreg_sklearn.modules import Network
from specreg_sklearn.penalties._penalty import BoundPenalty, Penalty, PenaltyReport, bind_penalty
from specreg_sklearn.tables import check_number


class Sum(Penalty):
    """A weighted sum of penalties: ``R = weights[0] * R_0 + weights[1] * R_1 + ...``.

    Penalties that look at different things add up: the spectral norms bound the worst slope
    anywhere, which makes certificates, and the Jacobian holds the slopes at the rows, which makes
    distances. The encoder's `alpha` multiplies the sum, so a search still has one axis.

    ``penalty="ll_spectral+jacobian"`` is ``Sum("ll_spectral", "jacobian")``.

    Parameters
    ----------
    *penalties : str or Penalty
        The parts, by registered names or as objects with settings; at least one.
    weights : sequence of float, default=None
        One factor for each part, 0 or more; None stands for 1 each. A part of weight 0 is left out:
        the fit is the one without it, bit for bit.

    Attributes
    ----------
    parts : dict of str to str or Penalty
        The parts by name: registered names such as ``"ll_spectral"`` and ``"jacobian"``, with
        ``"-1"``, ``"-2"`` where two have the same. Their settings are parameters, so
        ``penalty__jacobian__n_projections`` and ``penalty__weights`` can be searched.

    Raises
    ------
    ValueError
        When the sum is bound or resolved: if it has no parts, if the number of weights is another
        one, or if a weight is negative.

    Examples
    --------
    >>> from specreg_sklearn.penalties import Jacobian, LLSpectral, Sum
    >>> penalty = Sum(LLSpectral(), Jacobian(), weights=(1, 0.3))
    >>> penalty
    Sum(LLSpectral(), Jacobian(), weights=(1, 0.3))
    >>> penalty.set_params(jacobian__n_projections=2, weights=(1, 1))
    Sum(LLSpectral(), Jacobian(n_projections=2), weights=(1, 1))
    >>> [name for name in penalty.get_params() if "jacobian" in name]
    ['jacobian', 'jacobian__n_projections', 'jacobian__outputs']
    """

    def __init__(self, *penalties: str | Penalty, weights: Sequence[float] | None = None) -> None:
        self.penalties = penalties
        self.weights = weights

    @property
    def parts(self) -> dict[str, str | Penalty]:
        """The parts by name, in the order given."""
        names = [part if isinstance(part, str) else _name(part) for part in self.penalties]
        count, seen = Counter(names), Counter[str]()
        unique = []
        for name in names:
            seen[name] += 1
            unique.append(f"{name}-{seen[name]}" if count[name] > 1 else name)
        return dict(zip(unique, self.penalties, strict=True))

    @property
    def needs_readout(self) -> bool:
        """Whether a part does."""
        parts = self._weighted_parts().values()
        return any(bool(getattr(part, "needs_readout", False)) for part, _ in parts)

    def bind(
        self,
        backbone: nn.Module,
        head: nn.Module,
        *,
        generator: torch.Generator,
        input_shape: tuple[int, ...] | None = None,
    ) -> BoundPenalty:
        """Attach every part of positive weight to the network; see :meth:`Penalty.bind`.

        The parts draw from `generator` in turn.
        """
        shape: Any = input_shape
        bound = {
            name: (
                bind_penalty(part, backbone, head, generator=generator, input_shape=shape),
                weight,
            )
            for name, (part, weight) in self._weighted_parts().items()
        }
        return _BoundSum(bound)

    def _weighted_parts(self) -> dict[str, tuple[Penalty, float]]:
        """Return the parts of positive weight as objects, with their weights, by name."""
        parts = self.parts
        if not parts:
            raise ValueError(
                "Sum() has no parts: give it penalties, such as Sum(LLSpectral(), Jacobian()), or "
                "use penalty=None for no penalty."
            )
        weights = [1.0] * len(parts) if self.weights is None else list(self.weights)
        if len(weights) != len(parts):
            raise ValueError(
                f"weights={self.weights!r} holds {len(weights)} numbers for {len(parts)} "
                f"penalties, {[*parts]}; give one for each."
            )
        for number, weight in enumerate(weights):
            accepted = "a finite number, 0 or more: what a penalty adds cannot be taken away"
            check_number(f"weights[{number}]", weight, 0, accepted=accepted)
        return {
            name: (_as_penalty(part), float(weight))
            for (name, part), weight in zip(parts.items(), weights, strict=True)
            if weight > 0
        }

    @classmethod
    def _get_param_names(cls) -> list[str]:
        # scikit-learn reads the signature, and refuses one without a name for every parameter.
        return ["penalties", "weights"]

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parts and the weights; with `deep` also every part and its settings by name.

        Parameters
        ----------
        deep : bool, default=True
            Whether to return the parts by name, and their settings as ``<part>__<setting>``.

        Returns
        -------
        dict of str to object
            The parameters.
        """
        params: dict[str, Any] = {"penalties": self.penalties, "weights": self.weights}
        if deep:
            for name, part in self.parts.items():
                params[name] = part
                if hasattr(part, "get_params"):
                    params |= {f"{name}__{key}": v for key, v in part.get_params().items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set weights, replace parts by name, and set ``<part>__<setting>``.

        Parameters
        ----------
        **params : dict
            As :meth:`get_params` names them. A part given by its name as a string becomes an object
            when a setting of it is set.

        Returns
        -------
        self : Sum
            The penalty itself.

        Raises
        ------
        ValueError
            If there is no such part or parameter; the message lists the names.
        """
        for key in ("penalties", "weights"):
            if key in params:
                value = params.pop(key)
                setattr(self, key, tuple(value) if key == "penalties" else value)
        parts, settings = self.parts, dict[str, dict[str, Any]]()
        for key, value in params.items():
            name, nested, setting = key.partition("__")
            if name not in parts:
                raise ValueError(
                    f"Invalid parameter {key!r} for {self!r}. Valid names: "
                    f"{['penalties', 'weights', *parts]}, and <part>__<setting>."
                )
            if nested:
                settings.setdefault(name, {})[setting] = value
            else:
                parts[name] = value
        for name, values in settings.items():
            parts[name] = _as_penalty(parts[name]).set_params(**values)
        self.penalties = tuple(parts.values())
        return self

    def __sklearn_clone__(self) -> Self:
        parts = [part if isinstance(part, str) else clone(part) for part in self.penalties]
        return type(self)(*parts, weights=clone(self.weights, safe=False))

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        arguments = [repr(part) for part in self.penalties]
        if self.weights is not None:
            arguments.append(f"weights={self.weights!r}")
        return f"{type(self).__name__}({', '.join(arguments)})"


class SumReport(PenaltyReport):
    """What is known of a sum at the end of an epoch, and of each of its parts.

    Parameters
    ----------
    value : float
        The weighted sum of the exact values.
    error : float
        The worst error among the parts.

    Attributes
    ----------
    parts : dict of str to PenaltyReport
        The reports of the parts by name, without their weights.
    """

    parts: Mapping[str, PenaltyReport]

    @classmethod
    def of(cls, parts: Mapping[str, tuple[PenaltyReport, float]]) -> SumReport:
        """Add up reports, each with the weight of its part; the error is the worst one."""
        value = sum((weight * report.value for report, weight in parts.values()), 0.0)
        error = max((report.error for report, _ in parts.values()), default=0.0)
        whole = cls(value, error)
        whole.parts = {name: report for name, (report, _) in parts.items()}
        return whole


class _BoundSum(BoundPenalty):
    def __init__(self, parts: dict[str, tuple[BoundPenalty, float]]) -> None:
        self._parts = parts
        layers = (getattr(part, "layer_names", ()) for part, _ in parts.values())
        self.layer_names = tuple(dict.fromkeys(name for names in layers for name in names))

    def see_batch(
        self, network: Network, X: Tensor, y: Tensor, sample_weight: Tensor | None
    ) -> None:
        for part, _ in self._parts.values():
            see = getattr(part, "see_batch", None)  # penalties on weights may do without
            if see is not None:
                see(network, X, y, sample_weight)

    def value(self) -> Tensor:
        values = [weight * part.value() for part, weight in self._parts.values()]
        if not values:
            return torch.zeros((), requires_grad=True)
        total = values[0]
        for value in values[1:]:
            total = total + value
        return total

    def add_gradient(self, strength: float) -> None:
        for part, weight in self._parts.values():
            part.add_gradient(strength * weight)

    def report(self) -> SumReport:
        reports = {name: (part.report(), weight) for name, (part, weight) in self._parts.items()}
        return SumReport.of(reports)


def _as_penalty(part: str | Penalty) -> Penalty:
    if isinstance(part, str):
        made: Penalty = resolve("penalties", part)()
        return made
    if isinstance(part, (type, Real)) or not hasattr(part, "bind"):
        raise TypeError(
            f"Sum adds penalties: {part!r} must be one of {available('penalties')}, or an instance "
            "with a `bind` method, such as RepSpectral()."
        )
    return part


def _name(part: object) -> str:
    return name_of("penalties", type(part))
