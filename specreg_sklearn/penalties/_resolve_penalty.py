"""From the user's `penalty` parameter to a penalty object."""

from __future__ import annotations

from specreg_sklearn._registry import available, is_known, resolve
from specreg_sklearn.penalties._penalty import Penalty
from specreg_sklearn.penalties._sum import Sum


def resolve_penalty(penalty: str | Penalty | None, *, has_readout: bool = True) -> Penalty | None:
    """Turn the user's `penalty` parameter into a penalty object.

    Parameters
    ----------
    penalty : str, Penalty or None
        A registered name, several of them joined by "+" for their :class:`Sum`, an object with a
        `bind` method, or None.
    has_readout : bool, default=True
        Whether the network has one. Penalties that need it are refused otherwise.

    Returns
    -------
    Penalty or None
        The object; None for no penalty.

    Raises
    ------
    ValueError
        If a name is unknown, or there is no readout for the penalty; the message lists the valid
        names. If a :class:`Sum` has no parts, or weights that it does not accept.
    TypeError
        If it is neither a name nor an object with a `bind` method.

    Examples
    --------
    >>> from specreg_sklearn.penalties import resolve_penalty
    >>> resolve_penalty("ll_spectral+jacobian")
    Sum('ll_spectral', 'jacobian')
    """
    if penalty is None:
        return None
    if isinstance(penalty, str):
        resolved = _named(penalty)
    elif isinstance(penalty, type) or not hasattr(penalty, "bind"):
        raise TypeError(
            f"penalty={penalty!r} must be None, one of {available('penalties')}, or an instance "
            "with a `bind` method, such as RepSpectral()."
        )
    else:
        resolved = penalty
    if not has_readout and _needs_readout(resolved):
        names = available("penalties")
        without = [n for n in names if not _needs_readout(resolve("penalties", n)())]
        raise ValueError(
            f"penalty={penalty!r} looks at the readout or at logits, and a self-supervised encoder "
            f"has none. It accepts None, {without} and objects of their kind."
        )
    return resolved


def _named(name: str) -> Penalty:
    if "+" in name and not is_known("penalties", name):
        return Sum(*(part.strip() for part in name.split("+")))
    made: Penalty = resolve("penalties", name)()
    return made


def _needs_readout(penalty: object) -> bool:
    return bool(getattr(penalty, "needs_readout", False))
