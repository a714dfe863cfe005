"""When searches of trees begin to use compiled loops."""

import logging
import time

import pytest
from sklearn.ensemble import RandomForestClassifier

from specreg_sklearn.certificates.trees import TreeEnsemble, nearest_rows
from specreg_sklearn.certificates.trees.search import _compiled, compiled
from specreg_sklearn.space import FeatureSpace


def test_without_numba_a_log_line_names_the_extra(monkeypatch, caplog):
    def absent(name):
        raise ImportError("No module named 'numba'")

    monkeypatch.setattr(_compiled, "import_module", absent)
    with caplog.at_level(logging.INFO, logger="specreg_sklearn"):
        assert not _compiled.installed.__wrapped__()
    assert "specreg-sklearn[fast]" in caplog.text


def test_loops_are_loaded_once_enough_is_searched(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(_compiled._Work, "seconds", 0.0)
    monkeypatch.setattr(_compiled, "_seconds_to_begin", lambda: 0.05)
    assert not compiled()
    assert _compiled.leaf_loops() is None
    with _compiled.counted_work():
        end = time.thread_time() + 0.06
        while time.thread_time() < end:
            pass
    assert compiled()
    assert _compiled.leaf_loops() is not None


@pytest.mark.parametrize(("max_nodes", "at_once"), [(20_000, False), (20_001, True)])
def test_loops_are_loaded_for_a_long_search(max_nodes, at_once, cancer_rows, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(_compiled._Work, "seconds", 0.0)
    monkeypatch.setattr(_compiled, "_seconds_to_begin", lambda: 3600.0)
    X, y = cancer_rows
    model = RandomForestClassifier(3, max_depth=2, random_state=0).fit(X, y)
    rows = FeatureSpace.from_data(X).bind(X[:2])
    nearest_rows(TreeEnsemble.from_estimator(model), rows, norm=2, max_nodes=max_nodes)
    assert compiled() == at_once


def test_what_was_compiled_before_is_loaded_sooner(tmp_path, monkeypatch):
    monkeypatch.setattr(_compiled, "__file__", str(tmp_path / "_compiled.py"))
    assert _compiled._seconds_to_begin.__wrapped__() == 10.0
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "_look_loops.look_at-1.py311.nbi").touch()
    assert _compiled._seconds_to_begin.__wrapped__() == 1.0
