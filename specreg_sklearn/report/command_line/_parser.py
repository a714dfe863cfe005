"""The words and options of the command line, and what --help teaches."""

from __future__ import annotations

import argparse
from pathlib import Path

_MODEL = """
MODEL is one of
  model.skops              read safely; types that skops does not know are shown, and read
                           after --trusted-types names them
  model.joblib, model.pkl  a pickle, which runs the code that is in it: only with --trust
  model.onnx               labels by onnxruntime, where that is installed
  package.module:object    an object that Python can import
Several models are compared on the same rows. NAME=MODEL gives one a name.

DATA is a CSV (also .gz) or Parquet file: rows that the model was not trained on, with the
columns of its fit and one of labels, --target.

Without MODEL and DATA a model and a table that come with scikit-learn are taken.
"""
_ABOUT = """
Adversarial robustness of a classifier: report it, check a report, or see a demo.

  specreg report model.joblib test.csv --target label --trust     writes report.html, report.json
  specreg verify report.json model.joblib test.csv --target label --trust

`specreg` is short for `python -m specreg_sklearn`.
"""
_REPORT = f"""
Measure models and report it: how far rows can move before the answer is wrong, between a proof
and an attack. Writes a page to read and a JSON file that `verify` checks.
{_MODEL}
examples:
  specreg report model.skops test.csv --target fraud --eps 0.5
  specreg report old=a.joblib new=b.joblib test.parquet --target y --trust \\
      --mutable income,balance --increase-only age
"""
_VERIFY = f"""
Check a report against its models and data: every row that fools a model is asked about again,
every lower bound is proved again, and every number is computed again. No attack is run.
{_MODEL}
exit status: 0 if everything held, 1 if something did not (the places are printed), 2 if the
question could not be asked.

example:
  specreg verify report.json model.joblib test.csv --target label --trust
"""


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of ``python -m specreg_sklearn``."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("specreg", description=_ABOUT, formatter_class=plain)
    words = parser.add_subparsers(dest="word", metavar="{report,verify,demo}", required=True)

    report = words.add_parser(
        "report",
        help="measure models and write it down",
        description=_REPORT,
        formatter_class=plain,
    )
    report.add_argument("files", nargs="*", metavar="MODEL ... DATA")
    _reading(report)
    out = report.add_argument_group("what is written")
    out.add_argument(
        "--out", type=Path, metavar="FILE", help="the page to read (default: report.html)"
    )
    out.add_argument(
        "--json", type=Path, metavar="FILE", help="the file to check (default: report.json)"
    )
    out.add_argument("--markdown", type=Path, metavar="FILE", help="a section of a model card")
    asked = report.add_argument_group("what is asked: the threat model")
    asked.add_argument("--eps", type=float, help="size of the moves (default: by the data)")
    asked.add_argument(
        "--norm", choices=["0", "1", "2", "inf"], default="2", help="norm of moves (default: 2)"
    )
    asked.add_argument(
        "--scale",
        choices=["std", "range", "iqr", "mad", "none"],
        default="std",
        help="unit of a column: a spread of it, or none for the units of the data (default: std)",
    )
    asked.add_argument(
        "--mutable", type=_columns, metavar="A,B", help="columns that may change (default: numbers)"
    )
    asked.add_argument("--increase-only", type=_columns, default=[], metavar="A,B")
    asked.add_argument("--decrease-only", type=_columns, default=[], metavar="A,B")
    asked.add_argument(
        "--space", type=Path, metavar="FILE", help="instead: JSON that FeatureSpace.to_json wrote"
    )
    asked.add_argument(
        "--pool", metavar="DATA", help="rows that set bounds and units, such as the training data"
    )
    how = report.add_argument_group("how it is measured")
    how.add_argument(
        "--max-samples", type=_count, default=100, metavar="N", help="rows, or all (default: 100)"
    )
    how.add_argument("--attack", default="strongest", help="name of an attack (default: strongest)")
    how.add_argument(
        "--max-nodes",
        type=int,
        metavar="N",
        help="how long a proof searches for a row (default: 1000)",
    )
    how.add_argument("--seed", type=int, default=0, help="of the choice of rows (default: 0)")
    how.add_argument("--jobs", type=int, metavar="N", help="workers (default: 1)")

    verify = words.add_parser(
        "verify", help="check a report", description=_VERIFY, formatter_class=plain
    )
    verify.add_argument("report", type=Path, metavar="REPORT.json")
    verify.add_argument("files", nargs="*", metavar="MODEL ... DATA")
    _reading(verify)
    verify.add_argument(
        "--pool", metavar="DATA", help="rows that the report had as --pool, to compare them"
    )
    verify.add_argument(
        "--no-proofs", action="store_true", help="ask the model only, and prove nothing again"
    )
    verify.add_argument("--json", type=Path, metavar="FILE", help="write the table as JSON, too")
    verify.add_argument("--jobs", type=int, metavar="N", help="workers (default: 1)")

    demo = words.add_parser(
        "demo",
        help="train four networks on digits, attack them, draw what they withstand",
        description="Train four networks on handwritten digits, attack them, and draw what they "
        "withstand; needs matplotlib. Without any word it is this that runs.",
    )
    demo.add_argument("--output", type=Path, default=Path("robustness_curve.png"), metavar="FILE")
    return parser


def _reading(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("how files are read")
    group.add_argument("--target", metavar="COLUMN", help="the column of labels in DATA")
    group.add_argument(
        "--sep", metavar="SIGN", help="between cells of CSV (default: by its first line)"
    )
    group.add_argument("--decimal", metavar="SIGN", default=".", help="in numbers of CSV")
    group.add_argument("--encoding", metavar="NAME", default="utf-8", help="of CSV")
    group.add_argument(
        "--trust",
        action="store_true",
        help="read pickles: whoever wrote the file can run any code here",
    )
    group.add_argument(
        "--trusted-types",
        type=_columns,
        default=[],
        metavar="A,B",
        help="types that skops may make, of those that it shows",
    )


def _columns(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _count(text: str) -> int | str:
    if text == "all":
        return text
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of rows; give one, or all")
    return number
