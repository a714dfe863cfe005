"""Exact distances for ensembles of trees."""

from specreg_sklearn.certificates.trees._ensemble import TreeEnsemble
from specreg_sklearn.certificates.trees._followed_steps import Followed, follow
from specreg_sklearn.certificates.trees._nearest_rows import nearest_rows
from specreg_sklearn.certificates.trees._score_ranges import TreeScoreRanges
from specreg_sklearn.certificates.trees._tree_prover import TreeProver
from specreg_sklearn.certificates.trees.readers import (
    TreeSum,
    has_tree_reader,
    register_tree_reader,
)

__all__ = [
    "Followed",
    "TreeEnsemble",
    "TreeProver",
    "TreeScoreRanges",
    "TreeSum",
    "follow",
    "has_tree_reader",
    "nearest_rows",
    "register_tree_reader",
]
