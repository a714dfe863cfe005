"""The guide page on inspection: its code runs, and shows what it says."""

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "inspection.rst"


@pytest.mark.slow
def test_the_guide_runs_from_top_to_bottom(capsys):
    text = GUIDE.read_text(encoding="utf-8")
    blocks = re.findall(r"^\.\. code-block:: python\n\n((?:   .*\n|\n)+)", text, re.MULTILINE)
    assert len(blocks) == 7
    names = {"__name__": "guide"}
    for block in blocks:
        exec(compile(inspect.cleandoc("\n" + block), "inspection.rst", "exec"), names)
    printed = capsys.readouterr().out
    assert "stable_rank" in printed and "ConfidenceProfile" in printed
    assert "MaskingReport: passed" in printed
    bounds = names["bounds"]
    assert (bounds.lower <= bounds.upper).all()
    before, after = names["before"], names["after"]
    assert (after.column("adversarial_mean") < before.column("adversarial_mean")).all()
    assert after["head"].adversarial_mean < 0.7 * before["head"].adversarial_mean
    assert np.isfinite(names["gap"].loss_gap)
