"""What an attack asks a model: the oracle, the task of a search, starts, verification."""

from specreg_sklearn.attacks.questions._bisection import bisect
from specreg_sklearn.attacks.questions._oracle import NO_LIMIT, Oracle
from specreg_sklearn.attacks.questions._picklable_errors import carried
from specreg_sklearn.attacks.questions._random import noise_stream, pool_order, stream
from specreg_sklearn.attacks.questions._ranks import best_of_owner, leaders, place_within
from specreg_sklearn.attacks.questions._repeated_queries import Asker
from specreg_sklearn.attacks.questions._scores import METHODS, Margins, ScoredPredict
from specreg_sklearn.attacks.questions._starts import (
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
    "Asker",
    "Margins",
    "Oracle",
    "ScoredPredict",
    "SearchTask",
    "StartPool",
    "accepted_starts",
    "best_of_owner",
    "bisect",
    "carried",
    "data_starts",
    "leaders",
    "noise_starts",
    "noise_stream",
    "other_data_starts",
    "place_within",
    "pool_order",
    "stream",
    "verify",
]
