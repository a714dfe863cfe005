"""The error of a step that no certificate can follow."""

from __future__ import annotations


class NoLipschitzBound(TypeError):
    """Part of a network has no Lipschitz constant, or none that is known.

    The message names the layer. A certificate never counts such a layer as if it were harmless.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.certificates import NoLipschitzBound, module_lipschitz_bound
    >>> module = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.LayerNorm(4))
    >>> try:
    ...     module_lipschitz_bound(module, (4,))
    ... except NoLipschitzBound as error:
    ...     print(str(error)[:42])
    The layer '1' (LayerNorm) has no Lipschitz
    """

    @classmethod
    def of(cls, subject: str, reason: str) -> NoLipschitzBound:
        """Build the message for a layer or a function, named by `subject`."""
        return cls(f"{subject} has no Lipschitz bound: {reason}.")
