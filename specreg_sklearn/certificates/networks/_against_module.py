"""Recorded steps against the module itself, on rows: nothing odd must slip by."""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from specreg_sklearn.certificates.networks._module_checks import check_eval_mode, check_readable
from specreg_sklearn.certificates.networks._plain_copy import detached_copy, float64_copy
from specreg_sklearn.certificates.networks._state import (
    difference,
    random_states,
    random_states_kept,
    snapshot,
)
from specreg_sklearn.certificates.stages import NoLipschitzBound, Value
from specreg_sklearn.spectral.bounds import UNIT_ROUNDOFF

Forward = Callable[[np.ndarray, np.ndarray], Value]

# How many random rows there are of which size: an odd step may need large values to show.
_RANDOM_ROWS = ((1.0, 3), (30.0, 2), (1e3, 2))
# A batch this large, where the network is small enough.
_MANY_ROWS, _ENTRIES = 300, 2**19
# How often a module runs that seems to draw random numbers, until it does not.
_MOST_LOOKS = 5
# A module that computes in float32 is compared in float32, too, with room for its roundings.
_SINGLE_ROUNDING, _SINGLE_SIZE = 2.0**31, 1e-2
_GRADIENT_MODES: tuple[Callable[[], AbstractContextManager[Any]], ...] = (
    torch.enable_grad,
    torch.inference_mode,
    torch.no_grad,
)


class Comparison:
    """Whether a module and what was read off it compute the same.

    Parameters
    ----------
    module : torch.nn.Module
        The user's module; two copies are kept, and it is not touched.
    input_shape : tuple of int
        Shape of one input.

    Raises
    ------
    NoLipschitzBound
        If the module has something that no recording sees, such as a hook.
    ValueError
        If a weight is NaN or infinite, or if the module cannot be copied.
    """

    def __init__(self, module: nn.Module, input_shape: tuple[int, ...]) -> None:
        if not isinstance(module, nn.Module):
            raise TypeError(f"module={module!r} must be a torch.nn.Module.")
        check_readable(module)
        self.name = type(module).__name__
        self.input_shape = input_shape
        self.plain = float64_copy(module)
        check_eval_mode(self.plain)
        # What reads the rows is a copy of the copy: running may change it.
        self._runs = copy.deepcopy(self.plain)
        self._single = detached_copy(module) if _is_single(module) else None
        self._forward: Forward | None = None

    def of(self, forward: Forward, n_entries: int) -> Comparison:
        """Take what was read, and compare it with the module on random rows.

        `n_entries` is how many values there are for one row.
        """
        self._forward = forward
        rng = np.random.default_rng(0)
        rows = [scale * rng.standard_normal((n, *self.input_shape)) for scale, n in _RANDOM_ROWS]
        flat = np.concatenate(rows).reshape(sum(n for _, n in _RANDOM_ROWS), -1)
        n_many = max(len(flat) + 1, min(_MANY_ROWS, _ENTRIES // n_entries))
        before = snapshot(self._runs)
        # Another thread may draw meanwhile, such as the communication of a cluster.
        if all(self._compared_while_drawing(flat, n_many) for _ in range(_MOST_LOOKS)):
            raise self._refusal("it draws random numbers when it predicts")
        changed = difference(before, snapshot(self._runs))
        if changed is not None:
            raise self._refusal(
                f"it changes {changed} when it runs, so that a prediction may depend on earlier "
                "ones; keep such records outside of forward"
            )
        return self

    def _compared_while_drawing(self, flat: np.ndarray, n_many: int) -> bool:
        """Compare in all ways; return whether somebody has drawn random numbers meanwhile."""
        chance = random_states()
        with random_states_kept():
            values, error = self._read(flat)
            for mode in _GRADIENT_MODES:
                self._compare(values, self._run(self._runs, flat, mode), error)
            self._in_single_precision(flat)
            self._in_other_batches(flat, values, error, n_many)
            return random_states() != chance

    def __call__(self, flat: np.ndarray) -> None:
        """Compare on rows of shape (n, n_inputs); raise if they differ by more than rounding."""
        flat = np.ascontiguousarray(flat, dtype=np.float64)
        values, error = self._read(flat)
        self._compare(values, self._run(self._runs, flat, torch.inference_mode), error)
        self._in_single_precision(flat)

    def _read(self, flat: np.ndarray) -> Value:
        assert self._forward is not None
        with np.errstate(over="ignore", invalid="ignore"):  # rows of any size are compared
            return self._forward(flat, np.zeros_like(flat))

    def _in_single_precision(self, flat: np.ndarray) -> None:
        if self._single is None:
            return
        with np.errstate(over="ignore"):
            rounded = flat.astype(np.float32).astype(np.float64)
        rounded = rounded[np.isfinite(rounded).all(axis=1)]
        try:
            truth = self._run(self._single, rounded, torch.inference_mode, torch.float32)
        except RuntimeError:  # it mixes types: it does not predict in float32
            return
        values, error = self._read(rounded)
        self._compare(values, truth, error, _SINGLE_ROUNDING, _SINGLE_SIZE)

    def _in_other_batches(
        self, flat: np.ndarray, values: np.ndarray, error: np.ndarray, n_many: int
    ) -> None:
        """Compare what rows get alone, in pairs, and among many."""
        # Of every size, since a branch may need large values to show.
        sizes = np.cumsum([0] + [n for _, n in _RANDOM_ROWS[:-1]])
        batches = [np.array([row]) for row in sizes] + [np.array([row + 1, row]) for row in sizes]
        for rows in [*batches, np.arange(n_many) % len(flat)]:
            truth = self._run(self._runs, flat[rows], torch.no_grad)
            try:
                self._compare(values[rows], truth, error[rows])
            except NoLipschitzBound as failed:
                raise self._refusal(
                    "what it gives for a row depends on how many rows there are"
                ) from failed

    def _run(
        self,
        module: nn.Module,
        flat: np.ndarray,
        mode: Callable[[], AbstractContextManager[Any]],
        dtype: torch.dtype = torch.float64,
    ) -> np.ndarray:
        with torch.device("cpu"), torch.inference_mode(False), mode():
            rows = torch.tensor(flat, dtype=dtype).reshape(len(flat), *self.input_shape)
            output: Tensor = module(rows)
            return output.detach().numpy().reshape(len(flat), -1).astype(np.float64)

    def _compare(
        self,
        values: np.ndarray,
        truth: np.ndarray,
        error: np.ndarray,
        rounding: float = 1e3,
        relative: float = 2**20 * UNIT_ROUNDOFF,
    ) -> None:
        if truth.shape == values.shape:
            finite = np.isfinite(truth).all(axis=1) & np.isfinite(values).all(axis=1)
            values, truth, error = values[finite], truth[finite], error[finite]
            size = np.linalg.norm(truth, axis=1, keepdims=True)
            with np.errstate(over="ignore"):
                room = rounding * error + relative * size
            if np.all(np.abs(values - truth) <= room):
                return
            if np.isnan(error).any():
                raise ValueError(
                    f"The module ({self.name}) leaves the range of float64 on the way to its "
                    "output, where infinities meet zeros, so that its steps cannot be compared "
                    "with it. Bring the weights of its layers to a common size."
                )
        raise NoLipschitzBound(
            f"The module ({self.name}) computes something else than its layers in turn: a hook, a "
            "step that works in place, or a layer that was changed by hand."
        )

    def _refusal(self, reason: str) -> NoLipschitzBound:
        return NoLipschitzBound.of(f"The module ({self.name})", reason)


def _is_single(module: nn.Module) -> bool:
    """Tell whether a module computes in float32 on the CPU, as far as its weights say."""
    tensors = [*module.parameters(), *module.buffers()]
    floats = {tensor.dtype for tensor in tensors if tensor.is_floating_point()}
    return floats <= {torch.float32} and all(tensor.device.type == "cpu" for tensor in tensors)
