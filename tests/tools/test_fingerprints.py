"""What the hashes of results tell apart, and what the comparison of two runs says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch

from tools import fingerprints
from tools.fingerprints import differences, digest

ROW = np.array([1.0, 2.0])


@dataclass
class Pair:
    a: np.ndarray
    b: float


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ROW, np.nextafter(ROW, 3)),
        (ROW, ROW.astype(np.float32)),
        (ROW, ROW[:, None]),
        (ROW, ROW[::-1]),
        (np.array(["a"], dtype=object), np.array(["b"], dtype=object)),
        (1, 1.0),
        ({"a": ROW, "b": 1}, {"a": ROW, "b": 2}),
        (Pair(ROW, 1.0), Pair(ROW, 2.0)),
        ((ROW, (ROW, 1)), (ROW, (ROW, 2))),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [2]})),
        (pd.DataFrame({"a": [1]}), pd.DataFrame({"b": [1]})),
        (torch.tensor([1.0]), torch.tensor([1.0], dtype=torch.float64)),
    ],
)
def test_what_differs_has_another_hash(one, other):
    assert digest(one) != digest(other)


def test_what_is_equal_has_the_same_hash():
    assert digest(ROW, 1) == digest(ROW.copy(), 1)
    assert digest(torch.tensor([1.0, 2.0], dtype=torch.float64)) == digest(ROW)
    assert digest({"a": ROW, "b": 1.0}) == digest(Pair(ROW, 1.0))
    # By the text: an object array would otherwise be hashed by where its words lie in memory.
    words = np.array(["".join(["long ", "word"])], dtype=object)
    assert digest(words) == digest(np.array(["long word"], dtype=object))


def test_differences_are_named():
    before = ["a b   1", "c   2", "gone   3"]
    assert differences(before, before) == []
    assert differences(before, ["a b   1", "c   4", "new   5"]) == [
        "c: 2 before, 4 now",
        "gone: 3 before, nothing now",
        "new: nothing before, 5 now",
    ]


def test_the_exit_code_says_whether_a_run_agrees(monkeypatch, tmp_path, capsys):
    values = {"first": 1.0, "second": ROW}
    monkeypatch.setattr(fingerprints, "TOPICS", (lambda: iter(values.items()),))
    assert fingerprints.main([]) == 0
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == 2
    file = tmp_path / "before.txt"
    file.write_text(printed)
    assert fingerprints.main(["--against", str(file)]) == 0
    values["second"] = ROW + 1
    capsys.readouterr()
    assert fingerprints.main(["--against", str(file)]) == 1
    told = capsys.readouterr().out.split("\n\n")[1]
    assert "second" in told
    assert "first" not in told
