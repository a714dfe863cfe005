"""What moves of a row do to what a classifier reads, and the shortest moves into polyhedra."""

from specreg_sklearn.certificates.moves._ball_minimum import lowest_in_balls
from specreg_sklearn.certificates.moves._cheapest_moves import (
    NODES_PER_BOX,
    CheapestMoves,
    Relaxed,
    branch_and_bound,
    price_of_box,
)
from specreg_sklearn.certificates.moves._crossing import crossing
from specreg_sklearn.certificates.moves._fewest_columns import fewest_columns
from specreg_sklearn.certificates.moves._growing_program import GrowingProgram
from specreg_sklearn.certificates.moves._half_spaces import nearest_in_half_spaces
from specreg_sklearn.certificates.moves._largest_radius import largest_radius
from specreg_sklearn.certificates.moves._model_rows import ModelRows, model_rows
from specreg_sklearn.certificates.moves._polyhedra import (
    ShortestMove,
    combined_bound,
    shortest_in,
    shortest_move,
)
from specreg_sklearn.certificates.moves._prover import LocalProof, MoveProver
from specreg_sklearn.certificates.moves._quadratic_steps import (
    largest_cube,
    nearest_in_l2,
)
from specreg_sklearn.certificates.moves._row_products import row_products
from specreg_sklearn.certificates.moves._rows_across import rows_across
from specreg_sklearn.certificates.moves._whole_steps import ROUNDED, steps_around, whole_room

__all__ = [
    "NODES_PER_BOX",
    "ROUNDED",
    "CheapestMoves",
    "GrowingProgram",
    "LocalProof",
    "ModelRows",
    "MoveProver",
    "Relaxed",
    "ShortestMove",
    "branch_and_bound",
    "combined_bound",
    "crossing",
    "fewest_columns",
    "largest_cube",
    "largest_radius",
    "lowest_in_balls",
    "model_rows",
    "nearest_in_half_spaces",
    "nearest_in_l2",
    "price_of_box",
    "row_products",
    "rows_across",
    "shortest_in",
    "shortest_move",
    "steps_around",
    "whole_room",
]
