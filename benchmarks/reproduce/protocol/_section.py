"""What an experiment is given, and what it gives back: a section of ``RESULTS.md``."""

from __future__ import annotations

import operator
import platform
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import sklearn
import torch

import specreg_sklearn
from benchmarks.reproduce.protocol._conclusions import conclusions

HERE = Path(__file__).parents[1]
_HOLDS = {">=": operator.ge, "<=": operator.le}


@dataclass(frozen=True)
class Settings:
    """How large an experiment shall be.

    Parameters
    ----------
    small : bool
        Small settings, or full ones.
    jobs : int
        Worker processes.
    """

    small: bool = True
    jobs: int = 2

    @property
    def scale(self) -> str:
        """Name of the folder of the sections: "small" or "full"."""
        return "small" if self.small else "full"

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds of splits and starting weights."""
        return (0, 1, 2) if self.small else (0, 1, 2, 3, 4)


@dataclass
class Section:
    """One experiment: what was done, and what came out.

    Parameters
    ----------
    title : str
        The heading.
    settings : str
        Data, model, training, attack and choice of strengths, in words.
    tables : list of str
        Tables in Markdown, each with a line before it that says what it holds.
    bars : list of str
        Lines made by :meth:`bar`.
    remarks : list of str
        What is to be said about the outcome.
    cpu_seconds, wall_seconds : float
        What it cost: CPU seconds of all processes, and seconds on the clock.
    name : str
        Name of the experiment; filled in by the runner.
    """

    title: str
    settings: str = ""
    tables: list[str] = field(default_factory=list)
    bars: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    name: str = ""

    def bar(self, what: str, measured: float, sense: str, limit: float, unit: str = "") -> bool:
        """Add a line that holds a figure against its bar; return whether it passes.

        Parameters
        ----------
        what : str
            What was measured.
        measured : float
            The figure. NaN passes no bar.
        sense : {">=", "<="}
            On which side of the limit the figure has to be.
        limit : float
            The bar.
        unit : str
            Unit of both.
        """
        holds = bool(_HOLDS[sense](measured, limit))
        verdict = "ok" if holds else "MISSED"
        shown = f"{measured:.2f}".rstrip("0").rstrip(".")
        self.bars.append(
            f"bar {self.name or self.title}: {what} {sense} {limit:g}{unit}, "
            f"measured {shown}{unit}: {verdict}"
        )
        return holds

    def markdown(self) -> str:
        """Return the section as it stands in ``RESULTS.md``."""
        parts = [f"## {self.title}", self.settings]
        parts += self.tables
        if self.bars:
            parts.append("\n".join(f"- {line}" for line in self.bars))
        parts += self.remarks
        if self.cpu_seconds:
            parts.append(f"{self.cpu_seconds:.0f} CPU seconds, {self.wall_seconds:.0f} s by clock.")
        return "\n\n".join(part.strip() for part in parts if part) + "\n"

    def save(self, settings: Settings) -> None:
        """Write the section to a file of its own."""
        path = _folder(settings) / f"{self.name}.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.markdown(), encoding="utf-8")

    def summary(self) -> str:
        """Return what the runner prints: the tables and the bars."""
        return "\n".join(["", self.markdown()])


def assemble(names: Iterable[str], settings: Settings) -> None:
    """Write ``RESULTS.md`` (or ``RESULTS_FULL.md``): conclusions, and links to the sections."""
    paths = [path for n in names if (path := _folder(settings) / f"{n}.md").exists()]
    texts = [path.read_text(encoding="utf-8") for path in paths]
    lines = [line for text in texts for line in text.splitlines() if line.startswith("- bar ")]
    missed = [line for line in lines if line.endswith("MISSED")]
    links = [
        f"- [{text.splitlines()[0].lstrip('# ')}]({path.relative_to(HERE).as_posix()})"
        for path, text in zip(paths, texts, strict=True)
    ]
    command = "make reproduce-small" if settings.small else "make reproduce"
    parts = [
        "# The experiments of arXiv:2405.17181 and arXiv:2011.07478, run again",
        f"Written by `{command}`. All figures were measured by this package; none is taken from "
        "the papers.",
        "## In one page",
        conclusions(texts),
        _words_of("what_follows.md"),
        f"{len(lines) - len(missed)} of {len(lines)} bars hold.",
        "\n".join(missed),
        "## The tables",
        "Every experiment with its settings, all models, all strengths that were tried, and bars:",
        "\n".join(links),
        f"Last section written with specreg-sklearn {specreg_sklearn.__version__}, torch "
        f"{torch.__version__}, scikit-learn {sklearn.__version__}, numpy {np.__version__}, Python "
        f"{platform.python_version()}, {settings.jobs} processes of one thread.",
        _words_of("how_to_read.md"),
    ]
    path = HERE / ("RESULTS.md" if settings.small else "RESULTS_FULL.md")
    path.write_text("\n\n".join(filter(None, parts)) + "\n", encoding="utf-8")


def _words_of(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8").strip()


def _folder(settings: Settings) -> Path:
    return HERE / "sections" / settings.scale
