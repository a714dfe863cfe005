"""Numbers that both implementations of looks at boxes share."""

MOST_TANGENTS = 12
"""How many prices of the score are tried for one bound."""

LESSER_SIDE = 1e-3
"""What the larger loss counts in the choice of a cut, beside the smaller one."""

ROUNDING = 1e-12
"""Sums of thousands of terms are off by less than this part of their largest one."""

MOST_ROUNDS = 2
"""How often a box is looked at again after it was shrunk to what its leaves cover."""
