"""Run the experiments and write what came out to ``RESULTS.md``.

From the root of the repository::

    python -m benchmarks.reproduce --small                       # make reproduce-small
    python -m benchmarks.reproduce --small --only digits mnist   # these again, the rest as it was
    python -m benchmarks.reproduce                               # make reproduce: full settings

Data sets that do not come with scikit-learn are read from the folder that the environment variable
``SPECREG_DATA`` names. Without it an experiment takes one of scikit-learn's own sets where that
makes sense, and is skipped otherwise, which ``RESULTS.md`` then says.

How an experiment is written
----------------------------
One experiment is one function of a module of this package::

    def run(settings: Settings) -> Section

`settings` says whether to run small, with how many processes, and for which seeds. The function
returns a ``Section``: a title, the settings in words, tables in Markdown, and lines that hold a
measured figure against its bar. It goes into ``EXPERIMENTS`` below, under the name of its section
and in the order of ``RESULTS.md``. The runner saves every section as a file of its own as soon as
it is there, so that a run that is cut short loses nothing.

Most experiments compare regularisers on one kind of model. They describe it as a ``Task`` and call
``compare`` of ``benchmarks.reproduce.protocol``, which gives every regulariser the same number of
strengths, chooses among them on validation rows, fits again, and measures all models on the same
test rows; ``comparison_section`` turns the outcome into a section. Functions that worker processes
have to call are functions of a module. A loader that misses its file raises FileNotFoundError, and
the runner writes that the experiment was skipped.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings

from benchmarks.reproduce import (
    cifar,
    images,
    regularization_view,
    self_supervised,
    tables,
    toys,
    transfer,
)
from benchmarks.reproduce.protocol import Section, Settings, assemble

EXPERIMENTS = {
    "xor": toys.run_xor,
    "sin": toys.run_sin,
    "digits": images.run_digits,
    "mnist": images.run_mnist,
    "transfer": transfer.run,
    "tables": tables.run,
    "convnet": images.run_convnet,
    "cifar": cifar.run,
    "cifar_transfer": cifar.run_transfer,
    "self_supervised": self_supervised.run,
    "regularization_view": regularization_view.run,
}


def main() -> None:
    """Run experiments one after the other, saving each, and put ``RESULTS.md`` together."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reproduce", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--small", action="store_true", help="small settings, for two cores")
    parser.add_argument("--only", nargs="+", choices=EXPERIMENTS, default=list(EXPERIMENTS))
    parser.add_argument("--jobs", type=int, default=2, help="worker processes, one thread each")
    arguments = parser.parse_args()
    # Workers inherit these; a thread each is what the processes are for.
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    warnings.simplefilter("ignore")
    settings = Settings(small=arguments.small, jobs=arguments.jobs)
    for name, run in EXPERIMENTS.items():
        if name not in arguments.only:
            continue
        start = time.perf_counter()
        try:
            section = run(settings)
        except FileNotFoundError as error:
            section = Section(name, settings=f"Skipped: {error}")
        section.name = name
        section.wall_seconds = time.perf_counter() - start
        section.save(settings)
        print(section.summary(), flush=True)
        assemble(EXPERIMENTS, settings)


if __name__ == "__main__":
    main()
