"""Exact distances of models on tables: problems, and proofs by other means than the library's."""

from benchmarks.attacks.truths._prove import Truth, known_rows, prove, space_of
from benchmarks.attacks.truths._tree_problems import (
    HELD_OUT,
    TABLES,
    TreeProblem,
    model_kinds,
    numbers_of,
    tree_problems,
)
from benchmarks.attacks.truths._whole_numbers import (
    WHOLE_TABLES,
    fewest_steps,
    whole_number_problems,
)

__all__ = [
    "HELD_OUT",
    "TABLES",
    "WHOLE_TABLES",
    "TreeProblem",
    "Truth",
    "fewest_steps",
    "known_rows",
    "model_kinds",
    "numbers_of",
    "prove",
    "space_of",
    "tree_problems",
    "whole_number_problems",
]
