"""What is wrong with what was typed."""

from __future__ import annotations


class InputError(Exception):
    """A file, a column or an option that cannot be used, with what is accepted and the remedy."""
