"""The experiments of arXiv:2405.17181 at small scale; see ``benchmarks/reproduce/__main__.py``."""
