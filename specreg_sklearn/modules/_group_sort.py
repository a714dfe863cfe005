"""Activations that sort: they keep the length of gradients, where ReLU cuts it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_CHANNELS = 1


class GroupSort(nn.Module):
    """Sort neighbouring channels in groups, the largest first.

    Sorting permutes the entries of a row. It moves two rows no further apart, in any norm, and
    almost everywhere it keeps the length of every gradient. A network of layers of norm one then
    loses no slope on its way, which with ReLU it does: that is why norm-limited networks learn more
    with it.

    Parameters
    ----------
    group_size : int, default=4
        Channels in a group; it must divide their number.

    See Also
    --------
    MaxMin : Groups of two.

    References
    ----------
    Anil, Lucas, Grosse, "Sorting out Lipschitz function approximation", arXiv:1811.05381.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.modules import GroupSort
    >>> GroupSort(2)(torch.tensor([[1.0, 3.0, 2.0, 0.0]]))
    tensor([[3., 1., 2., 0.]])
    """

    def __init__(self, group_size: int = 4) -> None:
        super().__init__()
        self.group_size = group_size

    def extra_repr(self) -> str:
        """Return the settings that ``repr`` shows."""
        return f"group_size={self.group_size}"

    def forward(self, X: Tensor) -> Tensor:
        """Sort the channels of rows (n_samples, n_channels, ...) in groups."""
        groups = self.groups(X)
        if self.group_size == 2:  # several times as fast as sorting
            first, second = groups.unbind(_CHANNELS + 1)
            both = first.maximum(second), first.minimum(second)
            return torch.stack(both, dim=_CHANNELS + 1).flatten(_CHANNELS, _CHANNELS + 1)
        ordered = groups.sort(dim=_CHANNELS + 1, descending=True).values
        return ordered.flatten(_CHANNELS, _CHANNELS + 1)

    def groups(self, X: Tensor) -> Tensor:
        """Return a view of shape (n_samples, n_groups, group_size, ...).

        Raises
        ------
        ValueError
            If the size of the groups does not divide the number of channels.
        """
        check_width(type(self).__name__, self.group_size, X.shape[_CHANNELS])
        return X.unflatten(_CHANNELS, (-1, self.group_size))


class MaxMin(GroupSort):
    """Sort neighbouring channels in pairs: the larger one first.

    See Also
    --------
    GroupSort : Groups of any size.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.modules import MaxMin
    >>> MaxMin()(torch.tensor([[1.0, 3.0, 2.0, 0.0]]))
    tensor([[3., 1., 2., 0.]])
    """

    def __init__(self) -> None:
        super().__init__(group_size=2)

    def extra_repr(self) -> str:
        """Return nothing: there are no settings."""
        return ""


def check_width(activation: str, group_size: int, width: int) -> None:
    """Raise ValueError where groups of a size cannot be made of so many channels."""
    if width % group_size:
        raise ValueError(
            f"{activation} sorts groups of {group_size} neighbouring features or channels, and a "
            f"hidden layer has {width}. Choose a multiple of {group_size}, such as "
            f"{group_size * -(-width // group_size)}."
        )
