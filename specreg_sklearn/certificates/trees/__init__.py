"""Exact distances for ensembles of trees."""

from specreg_sklearn.certificates.trees._ensemble import TreeEnsemble
from specreg_sklearn.certificates.trees.readers import TreeSum, register_tree_reader

__all__ = ["TreeEnsemble", "TreeSum", "register_tree_reader"]
