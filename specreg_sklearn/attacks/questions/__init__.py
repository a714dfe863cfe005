"""What an attack asks a model: the oracle, the task of a search, starts, verification."""

from specreg_sklearn.attacks.questions._bisection import Decide, between, bisect
from specreg_sklearn.attacks.questions._oracle import NO_LIMIT, Oracle
from specreg_sklearn.attacks.questions._random import noise_stream, pool_order, stream
from specreg_sklearn.attacks.questions._ranks import best_of_owner, nearest_by_group, rank_within
from specreg_sklearn.attacks.questions._scores import METHODS, Margins, ScoredPredict
from specreg_sklearn.attacks.questions._starts import (
    StartPoints,
    StartPool,
    accepted_starts,
    data_starts,
    noise_starts,
    other_data_starts,
)
from specreg_sklearn.attacks.questions._task import FINAL_QUERIES, SearchTask
from specreg_sklearn.attacks.questions._verify import VERIFY_QUERIES, verify

__all__ = [
    "FINAL_QUERIES",
    "METHODS",
    "NO_LIMIT",
    "VERIFY_QUERIES",
    "Decide",
    "Margins",
    "Oracle",
    "ScoredPredict",
    "SearchTask",
    "StartPoints",
    "StartPool",
    "accepted_starts",
    "best_of_owner",
    "between",
    "bisect",
    "data_starts",
    "nearest_by_group",
    "noise_starts",
    "noise_stream",
    "other_data_starts",
    "pool_order",
    "rank_within",
    "stream",
    "verify",
]
