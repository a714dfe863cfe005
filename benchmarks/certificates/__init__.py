"""How tight certificates are, whether attacks ever get inside them, and what penalties cost."""

from benchmarks.certificates._models import suspects
from benchmarks.certificates._violations import search_violations

__all__ = ["search_violations", "suspects"]
