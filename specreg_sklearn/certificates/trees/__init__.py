"""Exact distances for ensembles of trees."""

from specreg_sklearn.certificates.trees._ensemble import TreeEnsemble
from specreg_sklearn.certificates.trees._nearest_rows import TreeDistances, nearest_rows
from specreg_sklearn.certificates.trees.readers import TreeSum, register_tree_reader

__all__ = ["TreeDistances", "TreeEnsemble", "TreeSum", "nearest_rows", "register_tree_reader"]
