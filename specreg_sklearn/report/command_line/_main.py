"""What each word of the command line does, and how it ends."""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from specreg_sklearn.report.command_line._bundled import bundled
from specreg_sklearn.report.command_line._errors import InputError
from specreg_sklearn.report.command_line._files import CsvForm, read_table
from specreg_sklearn.report.command_line._models import load_models
from specreg_sklearn.report.command_line._parser import make_parser
from specreg_sklearn.report.command_line._tables import Data, identifiers, read_data
from specreg_sklearn.space import FeatureSpace

HELD, NOT_HELD, NO_ANSWER = 0, 1, 2


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str or None, default=None
        The words after the program; None takes those that it was called with.

    Returns
    -------
    int
        The exit status: 0; 1 where a report did not hold; 2 where a question could not be asked.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    # Without a word it is the demo, as ever; its options may stand alone.
    if not words or words[0].startswith("--output"):
        words = ["demo", *words]
    options = make_parser().parse_args(words)
    with warnings.catch_warnings():
        # Whoever types a command has no use for lines of code.
        warnings.showwarning = lambda message, *_, **__: _say(options.word, f"warning: {message}")
        try:
            return _run(options)
        except (InputError, ValueError, TypeError, OSError) as error:
            _say(options.word, f"error: {error}")
            return NO_ANSWER


def _say(word: str, text: str) -> None:
    print(f"specreg {word}: {text}", file=sys.stderr)


def _run(options: argparse.Namespace) -> int:
    if options.word == "report":
        return _report(options)
    if options.word == "verify":
        return _verify(options)
    from specreg_sklearn.report.command_line._demo import run_demo

    run_demo(options.output)
    return HELD


def _report(options: argparse.Namespace) -> int:
    from specreg_sklearn.report import robustness_report

    models, data = _models_and_data(options)
    pool = None
    if options.pool:
        pool = _pool(options.pool, data, _form(options))
    if options.mutable is None and options.space is None:
        for name in identifiers(data):
            _say(
                "report",
                f"note: column {name!r} has another whole number in every row, as "
                "identifiers have, and it may move here. --mutable names what may change.",
            )
    settings: dict[str, Any] = {}
    if options.max_nodes is not None:
        settings["max_nodes"] = options.max_nodes
    report = robustness_report(
        models,
        data.X,
        data.y,
        space=_space(options, data, data.X if pool is None else pool),
        eps=options.eps,
        norm=np.inf if options.norm == "inf" else int(options.norm),
        pool=pool,
        attack=options.attack,
        max_samples=options.max_samples,
        random_state=options.seed,
        n_jobs=options.jobs,
        verbose=int(sys.stderr.isatty()),
        feature_names=None if hasattr(data.X, "columns") else data.names,
        **settings,
    )
    written = [
        report.write_html(options.out or "report.html"),
        report.write_json(options.json or "report.json"),
    ]
    if options.markdown:
        written.append(report.write_markdown(options.markdown))
    print(report.headline)
    print(f"Written: {', '.join(map(str, written))}")
    return HELD


def _verify(options: argparse.Namespace) -> int:
    from specreg_sklearn.report.document import read_document
    from specreg_sklearn.report.verify import verify_report

    document = read_document(options.report)
    models, data = _models_and_data(options)
    known = [record["name"] for record in document["models"]]
    if len(known) == len(models) == 1:
        # One model needs no name.
        models = dict(zip(known, models.values(), strict=True))
    found = verify_report(
        document,
        models,
        data.X,
        data.y,
        pool=_pool(options.pool, data, _form(options)) if options.pool else None,
        proofs=not options.no_proofs,
        n_jobs=options.jobs,
    )
    print(found)
    if options.json:
        text = json.dumps(found.to_dict(), indent=1, ensure_ascii=False)
        Path(options.json).write_text(text + "\n", encoding="utf-8")
    return HELD if found.held else NOT_HELD


def _models_and_data(options: argparse.Namespace) -> tuple[dict[str, Any], Data]:
    if not options.files:
        return bundled()
    *words, place = options.files
    if not words:
        raise InputError(
            f"{place!r} stands alone: give MODEL ... DATA, the models first and the data last, or "
            "neither for a bundled example."
        )
    models = load_models(words, trust=options.trust, trusted_types=options.trusted_types)
    data = read_data(place, options.target, models, _form(options))
    if data.dropped:
        print(
            f"Left out, since the model was not fitted on them: {', '.join(data.dropped)}.",
            file=sys.stderr,
        )
    return models, data


def _form(options: argparse.Namespace) -> CsvForm:
    return CsvForm(options.sep, options.decimal, options.encoding)


def _pool(place: str, data: Data, form: CsvForm) -> Any:
    """Return other rows in the columns of the data, in a container of the same kind."""
    frame = read_table(place, form)
    missing = [name for name in data.names if name not in map(str, frame.columns)]
    if missing:
        raise InputError(f"--pool {place!r} has no column {missing[0]!r}, which the data has.")
    return frame[data.names] if hasattr(data.X, "columns") else frame[data.names].to_numpy()


def _space(options: argparse.Namespace, data: Data, X: Any) -> FeatureSpace:
    if options.space:
        return FeatureSpace.from_json(Path(options.space).read_text(encoding="utf-8"))
    scale = None if options.scale == "none" else options.scale
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        return FeatureSpace.from_data(
            X,
            mutable=None if options.mutable is None else _places(options.mutable, data),
            increase_only=_places(options.increase_only, data),
            decrease_only=_places(options.decrease_only, data),
            scale=scale,
        )


def _places(names: list[str], data: Data) -> list[Any]:
    """Return columns as the space knows them: by name in a frame, by number in an array."""
    strange = [name for name in names if name not in data.names]
    if strange:
        raise InputError(f"{strange[0]!r} is no column. Columns are: {', '.join(data.names)}.")
    return names if hasattr(data.X, "columns") else [data.names.index(name) for name in names]
