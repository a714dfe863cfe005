"""Readers: from a fitted ensemble of some library to sums over trees, tests as in its arithmetic."""

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
