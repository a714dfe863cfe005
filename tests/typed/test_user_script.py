"""The types that the checkers of `make lint` see in the user's script are those of its values."""

from __future__ import annotations

from typing import get_args, get_origin

import numpy as np
import pytest

from tests.typed import user_script


def checked(value, kind):
    if get_origin(kind) is np.ndarray:
        assert isinstance(value, np.ndarray)
        (dtype,) = get_args(get_args(kind)[1])
        assert value.dtype == dtype
    else:
        assert isinstance(value, kind)
    return value


def test_the_script_runs_and_its_types_hold(monkeypatch, capsys):
    monkeypatch.setattr(user_script, "assert_type", checked)
    user_script.main()
    assert capsys.readouterr().out.startswith("0.")


def test_a_wrong_type_would_be_seen():
    for value, kind in (
        (1, float),
        (np.ones(1, dtype=np.float32), user_script.NDArray[np.float64]),
    ):
        with pytest.raises(AssertionError):
            checked(value, kind)
