"""A convolution in frequency space: one small matrix per frequency."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from specreg_sklearn.spectral.bounds._gram import EigenvalueRange, largest_eigenvalue
from specreg_sklearn.spectral.bounds._rounding import gamma, sqrt_above
from specreg_sklearn.spectral.layers import Convolution

# Bytes that the matrices of one chunk of frequencies may take, together with their copies.
_CHUNK_BYTES = 2**28


class Symbol:
    """The matrices of a strided convolution on circular grids.

    On a grid of ``stride * frequencies`` points per axis a strided circular convolution falls
    apart into one matrix per frequency (and group), with one row per output channel and one
    column per input channel and phase: the place of a tap between two strides.

    Parameters
    ----------
    kernel : Tensor of shape (n_outputs, n_inputs / groups, *taps)
        Taps, float64 on the CPU, scaled so that squares do not overflow.
    stride, dilation : tuple of int
        One entry per spatial axis.
    groups : int
        Blocks of channels.

    References
    ----------
    H. Sedghi, V. Gupta, P. Long, "The singular values of convolutional layers", ICLR 2019;
    A. Senderovich et al., "Towards practical control of singular values of convolutional layers",
    NeurIPS 2022, for strides.
    """

    def __init__(
        self, kernel: Tensor, stride: tuple[int, ...], dilation: tuple[int, ...], groups: int
    ) -> None:
        self.groups = groups
        self.n_outputs, self.n_inputs = kernel.shape[0] // groups, kernel.shape[1]
        taps = kernel.flatten(2)
        # Per phase: how many strides every tap lies from the first, and the taps themselves.
        self._phases: list[tuple[Tensor, Tensor]] = []
        by_phase: dict[tuple[int, ...], list[tuple[tuple[int, ...], int]]] = {}
        for index, place in enumerate(itertools.product(*map(range, kernel.shape[2:]))):
            offset = [d * t for d, t in zip(dilation, place, strict=True)]
            phase = tuple(r % s for r, s in zip(offset, stride, strict=True))
            steps = tuple(r // s for r, s in zip(offset, stride, strict=True))
            by_phase.setdefault(phase, []).append((steps, index))
        for members in by_phase.values():
            offsets = torch.tensor([steps for steps, _ in members])
            columns = taps[:, :, [index for _, index in members]]
            self._phases.append((offsets, columns.flatten(0, 1).T.contiguous()))
        self._n_taps = max(len(offsets) for offsets, _ in self._phases)
        self._frobenius = float(torch.linalg.vector_norm(kernel))

    @classmethod
    def of(cls, convolution: Convolution) -> Symbol:
        """Return the symbol of a convolution, of scaled taps."""
        return cls(convolution.weight, convolution.stride, convolution.dilation, convolution.groups)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of one matrix."""
        return self.n_outputs, self.n_inputs * len(self._phases)

    def n_operations(self, frequencies: tuple[int, ...]) -> float:
        """Count the multiplications, roughly, that `norm` spends on a grid of frequencies."""
        small, large = sorted(self.shape)
        halved = math.prod(frequencies[:-1]) * (frequencies[-1] // 2 + 1)
        return 4.0 * self.groups * halved * small**2 * large

    def matrices(self, points: Tensor, frequencies: tuple[int, ...]) -> Tensor:
        """Return the matrices at integer points (n_points, n_axes) of a grid of frequencies.

        They have the shape (n_points * groups, n_outputs / groups, n_columns), and are real at the
        only frequency of a grid of one point.
        """
        sides = torch.tensor(frequencies)
        blocks = []
        for offsets, taps in self._phases:
            # Whole turns are taken off in integers, where nothing is lost.
            turns = ((points[:, None, :] * offsets) % sides).double() / sides
            angles = 2.0 * math.pi * turns.sum(-1)
            values = torch.cos(angles) @ taps
            if max(frequencies) > 1:
                values = torch.complex(values, -torch.sin(angles) @ taps)
            blocks.append(values.reshape(len(points) * self.groups, self.n_outputs, self.n_inputs))
        return blocks[0] if len(blocks) == 1 else torch.cat(blocks, dim=2)

    def norm(self, frequencies: tuple[int, ...], *, rigorous: bool = False) -> EigenvalueRange:
        """Return the largest norm of a matrix over all frequencies of a grid.

        The image has `stride` times as many points per axis. `rigorous` is as in
        `largest_eigenvalue`, and the upper bound counts all rounding.
        """
        found = top = most = 0.0
        for points in self._chunks(frequencies):
            matrices = self.matrices(points, frequencies)
            wide = matrices.shape[1] <= matrices.shape[2]
            gram = matrices @ matrices.mH if wide else matrices.mH @ matrices
            # Squared lengths are on the diagonal: the largest matrix, for the rounding terms.
            most = max(most, float(gram.diagonal(dim1=-2, dim2=-1).real.sum(-1).max()))
            eigenvalue = largest_eigenvalue(gram, known=found, rigorous=rigorous)
            found, top = eigenvalue.found, max(top, eigenvalue.bound)
        lost_in_gram = gamma(4 * (max(self.shape) + 4)) * most
        # Sines and cosines are off by a few dozen roundings, their sums by one per tap.
        lost_in_symbol = gamma(2 * self._n_taps + 100) * math.sqrt(2 * self._n_taps)
        bound = sqrt_above(top + lost_in_gram) + lost_in_symbol * self._frobenius
        return EigenvalueRange(math.sqrt(found), math.nextafter(bound, math.inf))

    def _chunks(self, frequencies: tuple[int, ...]) -> Iterator[Tensor]:
        """Walk over half of the grid: the matrices of opposite frequencies are conjugates."""
        rows, columns = self.shape
        bytes_per_point = 16 * self.groups * (3 * rows * columns + 4 * min(rows, columns) ** 2)
        axes = [torch.arange(side) for side in (*frequencies[:-1], frequencies[-1] // 2 + 1)]
        grid = torch.cartesian_prod(*axes).reshape(-1, len(axes))
        yield from grid.split(max(1, _CHUNK_BYTES // bytes_per_point))
