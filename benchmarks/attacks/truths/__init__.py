"""Exact distances of models on tables: problems, and proofs by other means than the library's."""

from benchmarks.attacks.truths._additive import binned_problem, read_bins
from benchmarks.attacks.truths._ensembles import read
from benchmarks.attacks.truths._nearest_row import nearest_row
from benchmarks.attacks.truths._neighbours import nearest_cell, neighbour_problem
from benchmarks.attacks.truths._prove import SMALLEST, Truth, known_rows, prove, witnesses
from benchmarks.attacks.truths._smooth import kernel_problem, nearest_by_descent
from benchmarks.attacks.truths._tree_problems import (
    HELD_OUT,
    TABLES,
    model_kinds,
    numbers_of,
    split_of,
    tree_problems,
)
from benchmarks.attacks.truths._whole_numbers import (
    WHOLE_TABLES,
    fewest_steps,
    whole_number_problems,
)

__all__ = [
    "HELD_OUT",
    "SMALLEST",
    "TABLES",
    "WHOLE_TABLES",
    "Truth",
    "binned_problem",
    "fewest_steps",
    "kernel_problem",
    "known_rows",
    "model_kinds",
    "nearest_by_descent",
    "nearest_cell",
    "nearest_row",
    "neighbour_problem",
    "numbers_of",
    "prove",
    "read",
    "read_bins",
    "split_of",
    "tree_problems",
    "whole_number_problems",
    "witnesses",
]
