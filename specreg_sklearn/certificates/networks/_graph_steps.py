"""A module as a list of steps: what was recorded, with a rule for every node."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, fx, nn

from specreg_sklearn.certificates.networks._function_rules import join_of_call
from specreg_sklearn.certificates.networks._in_place import check_unused
from specreg_sklearn.certificates.networks._tracing import N_TRIAL_ROWS, trace
from specreg_sklearn.certificates.stages import Join, NoLipschitzBound, Single, Stage


@dataclass
class Step:
    """One node of a graph.

    Parameters
    ----------
    join : Join
        What the node does.
    sources : list of int
        Positions of its inputs; -1 is the input of the network.
    shape : tuple of int
        Shape of one row of its value.
    """

    join: Join
    sources: list[int]
    shape: tuple[int, ...]

    @property
    def stage(self) -> Stage | None:
        """The stage, if the node has one input."""
        return self.join.stage if isinstance(self.join, Single) else None


def recorded_steps(module: nn.Module, input_shape: tuple[int, ...]) -> list[Step]:
    """Record a module, in float64 and eval mode, and find the rule of every node that counts.

    Raises
    ------
    NoLipschitzBound
        If a node has no rule, or if the module does not return one tensor.
    ValueError
        If the module does not accept rows of this shape.
    """
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
