"""The search for the nearest point whose score reaches a target, over boxes of cells."""

from specreg_sklearn.certificates.trees.search._best_first import BestFirst, Found, Question
from specreg_sklearn.certificates.trees.search._boxes import PRUNED, boxes_of, terms_of
from specreg_sklearn.certificates.trees.search._compiled import (
    begin_at_once,
    compiled,
    counted_work,
    leaf_loops,
)
from specreg_sklearn.certificates.trees.search._descent import Descent, Reached
from specreg_sklearn.certificates.trees.search._restarts import Restarts, cells_at
from specreg_sklearn.certificates.trees.search._stub import Stub, stub_within

__all__ = [
    "PRUNED",
    "BestFirst",
    "Descent",
    "Found",
    "Question",
    "Reached",
    "Restarts",
    "Stub",
    "begin_at_once",
    "boxes_of",
    "cells_at",
    "compiled",
    "counted_work",
    "leaf_loops",
    "stub_within",
    "terms_of",
]
