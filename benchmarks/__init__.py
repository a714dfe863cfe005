"""What the library costs, finds and proves, measured on this machine.

Every folder but two is a command, run from the root of a checkout::

    python -m benchmarks.attacks         # next to ART and foolbox; make bench-attacks
    python -m benchmarks.certificates    # tightness, violations, costs; make bench-certificates
    python -m benchmarks.training        # what training costs; make bench
    python -m benchmarks.reproduce       # the papers' experiments; make reproduce
    python -m benchmarks.cuda            # the same fits on a CPU and on a CUDA device

``common`` holds what they share, ``loaders`` the readers of large data files.
"""
