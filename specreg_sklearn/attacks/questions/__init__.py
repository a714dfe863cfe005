"""What an attack asks a model: the oracle, the task of a search, starts, verification."""

from specreg_sklearn.attacks.questions._bisection import Decide, bisect
from specreg_sklearn.attacks.questions._classes import classes_of, columns_of_labels
from specreg_sklearn.attacks.questions._oracle import NO_LIMIT, Oracle
from specreg_sklearn.attacks.questions._random import basis_directions, stream
from specreg_sklearn.attacks.questions._ranks import nearest_by_group
from specreg_sklearn.attacks.questions._repeats import Repeats, check_repeats
from specreg_sklearn.attacks.questions._scores import (
    Margins,
    ScoredPredict,
    ScoreMethod,
    check_scores,
)
from specreg_sklearn.attacks.questions._start_pool import (
    MAX_ASKED,
    StartPoints,
    StartPool,
    spread_rows,
)
from specreg_sklearn.attacks.questions._starts import data_starts, find_starts, no_starts
from specreg_sklearn.attacks.questions._task import FINAL_QUERIES, SearchTask
from specreg_sklearn.attacks.questions._unit_roundoff import unit_roundoff
from specreg_sklearn.attacks.questions._verify import (
    VARYING_QUERIES,
    VERIFY_QUERIES,
    verify,
)

__all__ = [
    "FINAL_QUERIES",
    "MAX_ASKED",
    "NO_LIMIT",
    "VARYING_QUERIES",
    "VERIFY_QUERIES",
    "Decide",
    "Margins",
    "Oracle",
    "Repeats",
    "ScoreMethod",
    "ScoredPredict",
    "SearchTask",
    "StartPoints",
    "StartPool",
    "basis_directions",
    "bisect",
    "check_repeats",
    "check_scores",
    "classes_of",
    "columns_of_labels",
    "data_starts",
    "find_starts",
    "nearest_by_group",
    "no_starts",
    "spread_rows",
    "stream",
    "unit_roundoff",
    "verify",
]
