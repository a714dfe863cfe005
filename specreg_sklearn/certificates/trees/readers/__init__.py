"""Readers: from the fitted ensemble of a library to sums over trees, as it computes them."""

from specreg_sklearn.certificates.trees.readers._registry import (
    has_tree_reader,
    read_trees,
    register_tree_reader,
)
from specreg_sklearn.certificates.trees.readers._tree_sum import LEAF, NUMERIC, Nodes, TreeSum

__all__ = [
    "LEAF",
    "NUMERIC",
    "Nodes",
    "TreeSum",
    "has_tree_reader",
    "read_trees",
    "register_tree_reader",
]
