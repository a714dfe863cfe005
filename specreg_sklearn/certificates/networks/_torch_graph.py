"""Any module of torch as one stage: a graph of steps, each with a constant."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from torch import Tensor, fx, nn

from specreg_sklearn.certificates.networks._against_module import Comparison
from specreg_sklearn.certificates.networks._function_rules import join_of_call
from specreg_sklearn.certificates.networks._in_place import check_unused
from specreg_sklearn.certificates.networks._tracing import N_TRIAL_ROWS, trace
from specreg_sklearn.certificates.stages import (
    Affine,
    ChannelAffine,
    ConvolutionStage,
    Join,
    NoLipschitzBound,
    Single,
    Stage,
    Value,
)
from specreg_sklearn.spectral.bounds import times

# Entries of the widest values that a pass may hold at a time. Some megabytes: a pass over more rows
# than the caches hold takes twice as long.
_ENTRIES_AT_ONCE = 2**19


@dataclass
class Step:
    """One node of a graph."""

    join: Join  # what it does
    sources: list[int]  # positions of its inputs; -1 is the input of the network
    shape: tuple[int, ...]  # of one row of its value

    @property
    def stage(self) -> Stage | None:
        """The stage, if the node has one input."""
        return self.join.stage if isinstance(self.join, Single) else None


class TorchGraph(Stage):
    """A torch module, with branches if it has any, as one stage.

    Parameters
    ----------
    module : torch.nn.Module
        Copied to the CPU in float64 and eval mode; the original is not touched.
    input_shape : tuple of int
        Shape of one input; the stage takes flattened rows.
    rows : ndarray of shape (n_samples, *input_shape) or (n_samples, n_inputs), default=None
        Rows on which the graph is compared with the module, beside random ones.

    Raises
    ------
    NoLipschitzBound
        If a layer or a function has no known constant, or if the module does something that its
        layers and functions do not say, such as a hook; the message names it.
    ValueError
        If a weight is NaN or infinite, or if the module does not accept rows of this shape.

    Notes
    -----
    Every node gets a Lipschitz constant with respect to the input: layers multiply, sums add,
    and concatenations take the root of the sum of squares. A batch norm right behind a linear
    layer or a convolution is folded into it.

    Examples
    --------
    >>> import torch
    >>> from specreg_sklearn.certificates import TorchGraph
    >>> pool = torch.nn.MaxPool2d(3, stride=2)  # windows overlap
    >>> TorchGraph(pool, (1, 9, 9)).lipschitz()
    2.0
    """

    n_inputs: int
    n_outputs: int

    def __init__(
        self, module: nn.Module, input_shape: tuple[int, ...], *, rows: np.ndarray | None = None
    ) -> None:
        steps, self.comparison = compared_steps(module, tuple(input_shape), rows)
        self._set(steps, tuple(input_shape))

    @classmethod
    def of_steps(cls, steps: list[Step], input_shape: tuple[int, ...]) -> TorchGraph:
        """Build the stage of a graph whose last step is the output."""
        graph = cls.__new__(cls)
        graph._set(steps, input_shape)
        return graph

    def _set(self, steps: list[Step], input_shape: tuple[int, ...]) -> None:
        self.steps = steps
        self.input_shape = input_shape
        self.n_inputs = math.prod(input_shape)
        self.n_outputs = math.prod(steps[-1].shape if steps else input_shape)
        self._constant: float | None = None

    def lipschitz(self) -> float:
        """Return the constant of the output, from those of all nodes."""
        if self._constant is None:
            self._constant = _output_constant(self.steps)
        return self._constant

    def forward(self, X: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        widest = max([self.n_inputs, *(math.prod(step.shape) for step in self.steps)])
        n_rows = max(1, _ENTRIES_AT_ONCE // (4 * widest))
        parts = [
            self._forward_rows(X[start : start + n_rows], error[start : start + n_rows])
            for start in range(0, max(len(X), 1), n_rows)
        ]
        values, errors = zip(*parts, strict=True)
        return np.concatenate(values), np.concatenate(errors)

    def _forward_rows(self, X: np.ndarray, error: np.ndarray) -> Value:
        shape = (len(X), *self.input_shape)
        values: dict[int, Value] = {-1: (X.reshape(shape), error.reshape(shape))}
        last_use = {
            source: position for position, step in enumerate(self.steps) for source in step.sources
        }
        for position, step in enumerate(self.steps):
            values[position] = step.join.forward([values[source] for source in step.sources])
            for source in step.sources:
                if last_use[source] == position:
                    values.pop(source, None)
        Y, after = values[len(self.steps) - 1]
        return Y.reshape(len(X), -1), after.reshape(len(X), -1)

    def spread(self, change: np.ndarray) -> np.ndarray:
        """Follow the graph; see :meth:`Stage.spread`."""
        return np.minimum(self._growth(change)[0], self._change_of_row(change))

    def rounding_growth(self, size: np.ndarray) -> np.ndarray:
        """Follow the graph; see :meth:`Stage.rounding_growth`."""
        return self._growth(size)[1]

    def _growth(self, change: np.ndarray) -> Value:
        start = change.reshape(1, *self.input_shape)
        values: dict[int, Value] = {-1: (start, np.zeros_like(start))}
        for position, step in enumerate(self.steps):
            values[position] = step.join.growth([values[source] for source in step.sources])
        after, error = values[len(self.steps) - 1]
        return after.reshape(1, -1), error.reshape(1, -1)

    def tensor(self, X: Tensor) -> Tensor:
        values = {-1: X.reshape(len(X), *self.input_shape)}
        for position, step in enumerate(self.steps):
            values[position] = step.join.tensor([values[source] for source in step.sources])
        return values[len(self.steps) - 1].reshape(len(X), -1)


def compared_steps(
    module: nn.Module, input_shape: tuple[int, ...], rows: np.ndarray | None = None
) -> tuple[list[Step], Comparison]:
    """Record a copy of a module, and see to it that the steps compute what the module does.

    Returns the steps, and what compares them with the module on further rows.
    """
    comparison = Comparison(module, input_shape)
    steps = _recorded_steps(comparison.plain, input_shape)
    n_entries = sum(math.prod(step.shape) for step in steps) + math.prod(input_shape)
    comparison.of(TorchGraph.of_steps(steps, input_shape).forward, n_entries)
    if rows is not None:
        comparison(np.asarray(rows, dtype=np.float64).reshape(len(rows), -1))
    return steps, comparison


def _recorded_steps(module: nn.Module, input_shape: tuple[int, ...]) -> list[Step]:
    """Record a module, in float64 and eval mode, and find the rule of every node that counts."""
    graph = trace(module, input_shape)
    output = next(node for node in graph.nodes if node.op == "output").args[0]
    if not isinstance(output, fx.Node) or not isinstance(output.meta["value"], Tensor):
        raise NoLipschitzBound(
            f"The module ({type(module).__name__}) returns several values; one tensor is accepted."
        )
    if not output.meta["varies"]:
        raise NoLipschitzBound(f"The output of the module ({type(module).__name__}) is constant.")
    needed = _ancestors(output)
    steps: list[Step] = []
    position: dict[fx.Node, int] = {}
    for node in graph.nodes:
        if node not in needed:
            check_unused(node)
            continue
        if node.op == "placeholder":
            position[node] = -1
            continue
        join, sources = _join_of(node)
        position[node] = len(steps)
        steps.append(Step(join, [position[source] for source in sources], node.meta["shape"]))
    return steps


def _ancestors(output: fx.Node) -> set[fx.Node]:
    """Return the nodes that vary with the input and reach the output."""
    found: set[fx.Node] = set()
    waiting = [output]
    while waiting:
        node = waiting.pop()
        if node.meta["varies"] and node not in found:
            found.add(node)
            waiting.extend(node.all_input_nodes)
    return found


def _join_of(node: fx.Node) -> tuple[Join, list[fx.Node]]:
    if node.op == "call_module":
        if len(node.meta["value"]) != N_TRIAL_ROWS:
            raise NoLipschitzBound.of(
                f"The layer {node.meta['where']!r}", "it mixes the rows of a batch"
            )
        return Single(node.meta["stage"]), node.all_input_nodes
    return join_of_call(node)


def _output_constant(steps: list[Step]) -> float:
    folds = _batch_norm_folds(steps)
    folded = {steps[position].sources[0] for position in folds}
    constants: dict[int, float] = {-1: 1.0}
    for position, step in enumerate(steps):
        if position in folded:  # read only by the batch norm behind it
            continue
        sources = step.sources
        if position in folds:
            before = constants[steps[sources[0]].sources[0]]
            constants[position] = times(before, folds[position]())
        else:
            constants[position] = step.join.lipschitz([constants[source] for source in sources])
    return constants[len(steps) - 1]


def _batch_norm_folds(steps: list[Step]) -> dict[int, Callable[[], float]]:
    """Find the batch norms that alone follow a linear layer or a convolution.

    Returns the position of each, and a function for the norm of the two together: folding is
    never worse than two factors, and sees through weights that only the batch norm scales back.
    """
    n_users = Counter(source for step in steps for source in step.sources)
    folds: dict[int, Callable[[], float]] = {}
    for position, step in enumerate(steps):
        norm, source = step.stage, step.sources[0]
        if not isinstance(norm, ChannelAffine) or source < 0 or n_users[source] > 1:
            continue
        before = steps[source].stage
        if isinstance(before, ConvolutionStage):
            folds[position] = partial(before.scaled_lipschitz, norm.scale, norm.scale_error)
        elif isinstance(before, Affine) and len(step.shape) == 1:
            scale = Affine(norm.scale, entry_error=norm.scale_error)
            folds[position] = scale.after(before).lipschitz
    return folds
