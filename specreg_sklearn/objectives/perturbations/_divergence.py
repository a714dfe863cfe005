"""How far two predicted distributions are apart."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import kl_div, log_softmax


def divergence(logits: Tensor, moved_logits: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence of each row, ``sum p * log(p / q)``.

    Parameters
    ----------
    logits : Tensor of shape (n_samples, n_classes)
        Logits of p.
    moved_logits : Tensor of shape (n_samples, n_classes)
        Logits of q.

    Returns
    -------
    Tensor of shape (n_samples,)
        In nats; gradients flow to both.
    """
    log_p, log_q = log_softmax(logits, dim=1), log_softmax(moved_logits, dim=1)
    return kl_div(log_q, log_p, reduction="none", log_target=True).sum(1)
