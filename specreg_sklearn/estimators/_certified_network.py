"""Whether an encoder predicts by its network's backbone and head, and by nothing else."""

from __future__ import annotations

from inspect import getattr_static

from specreg_sklearn.certificates import NoCertificateError
from specreg_sklearn.certificates.networks import check_no_hooks
from specreg_sklearn.certificates.pipelines import Role
from specreg_sklearn.modules import Network

_STAGES = "__certified_stages__"
# What lies between the rows and the answer.
_ON_THE_WAY = {
    "transformer": ("transform", "_validated", "_apply", "module_"),
    "classifier": ("predict", "decision_function", "_logits", "_validated", "_apply", "module_"),
}
_NETWORK_METHODS = ("forward", "features", "__call__", "_call_impl", "__getattr__")


def check_only_backbone_and_head(encoder: object, home: type, role: Role) -> None:
    """Refuse an encoder where something stands outside backbone and head.

    Parameters
    ----------
    encoder : SpectrallyRegularizedEncoder or SelfSupervisedEncoder
        Fitted.
    home : type
        Which of the two, for whose methods the stages were written.
    role : {"transformer", "classifier"}
        What it is asked for.

    Raises
    ------
    NoCertificateError
        If a subclass or the object overrides a method on the way from rows to answers, or if the
        network is another one, has methods of its own, or hooks.
    """
    kind = type(encoder)
    # A subclass with stages of its own vouches for its methods.
    inherits = getattr_static(kind, _STAGES) is getattr_static(home, _STAGES)
    for name in _ON_THE_WAY[role]:
        overridden = getattr_static(kind, name) is not getattr_static(home, name)
        if name in vars(encoder) or (inherits and overridden):
            raise NoCertificateError(
                f"{kind.__name__} has no certificate: it overrides {name} of {home.__name__}, so "
                f"the stages of {home.__name__} do not describe it. Define {_STAGES} in the "
                "subclass."
            )
    network = getattr(encoder, "module_", None)
    if not isinstance(network, Network):
        raise NoCertificateError(
            f"{kind.__name__} has no certificate: its module_ is a {type(network).__name__}, not "
            "the network with backbone and head that fit has built. Replace module_.backbone or "
            "module_.head instead."
        )
    _check_network(network, kind)


def is_only_backbone_and_head(encoder: object, home: type, role: Role) -> bool:
    """Tell whether nothing stands outside backbone and head."""
    try:
        check_only_backbone_and_head(encoder, home, role)
    except TypeError:
        return False
    return True


def _check_network(network: Network, kind: type) -> None:
    for name in _NETWORK_METHODS:
        theirs = getattr_static(type(network), name, None)
        if name in vars(network) or theirs is not getattr_static(Network, name, None):
            raise NoCertificateError(
                f"{kind.__name__} has no certificate: its module_ overrides {name}, so backbone "
                "and head in turn do not describe it. Move the change into the backbone."
            )
    try:
        check_no_hooks(network, parts=False)  # those of the backbone are its own matter
        check_no_hooks(network.head)
    except TypeError as error:
        raise NoCertificateError(f"{kind.__name__} has no certificate: {error}") from error
