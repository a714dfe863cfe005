"""The protocol of an attack holds just what the frame uses, and the guide lists all of it."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from specreg_sklearn.attacks import BlackBoxAttack
from specreg_sklearn.attacks.frame import _hooks, _report, _run, _workers
from specreg_sklearn.attacks.frame._hooks import AttackHooks

GUIDE = Path(__file__).parents[3] / "docs" / "extend" / "attack.rst"


def names_of_the_protocol():
    """Return what the class body declares: annotated names and methods."""
    body = ast.parse(inspect.getsource(AttackHooks)).body[0].body
    declared = {n.target.id for n in body if isinstance(n, ast.AnnAssign)}
    return declared | {n.name for n in body if isinstance(n, ast.FunctionDef)}


def names_read(module, of):
    """Return the attributes of a variable that a module reads, but for dunders."""
    nodes = ast.walk(ast.parse(inspect.getsource(module)))
    read = {
        node.attr
        for node in nodes
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == of
    }
    return {name for name in read if not name.startswith("__")}


def test_the_protocol_holds_just_what_the_frame_uses():
    used = set().union(*(names_read(module, "attack") for module in (_run, _workers, _report)))
    # The checks of the default hook use the rest of what is declared, and nothing beyond.
    assert used <= names_of_the_protocol()
    assert names_of_the_protocol() == used | names_read(_hooks, "self")
    assert {"_search", "_check_parameters", "_prepare", "_check_run", "_predict_of"} <= used


def test_the_guide_lists_the_whole_protocol():
    page = GUIDE.read_text(encoding="utf-8")
    section = page[page.index("What the frame asks of an attack") :]
    listed = set(re.findall(r"^   \* - ``(\w+)(?:\(.*\))?``$", section, flags=re.MULTILINE))
    assert listed == names_of_the_protocol()


@pytest.mark.parametrize(
    "name", ["_norms", "_from_boundary", "_within_eps", "_last_bisection", "_parts_per_worker"]
)
def test_the_guide_states_the_defaults_of_the_settings(name):
    page = GUIDE.read_text(encoding="utf-8")
    stated = re.search(rf"^   \* - ``{name}``\n     - (.*)$", page, flags=re.MULTILINE)[1]
    assert stated == str(getattr(BlackBoxAttack, name))


def test_the_guide_states_the_defaults_of_the_parameters():
    page = GUIDE.read_text(encoding="utf-8")
    for name, value in inspect.signature(BlackBoxAttack.__init__).parameters.items():
        if name != "self":
            stated = re.search(rf"^   \* - ``{name}``\n     - (.*)$", page, flags=re.MULTILINE)[1]
            assert ast.literal_eval(stated) == value.default


def test_every_hook_says_when_it_is_called_and_its_default():
    for name, hook in vars(AttackHooks).items():
        if inspect.isfunction(hook) and hook.__module__ == AttackHooks.__module__:
            said = inspect.getdoc(hook)
            assert re.search(r"\bCalled\b", said), name
            assert re.search(r"[Bb]y default|no default", said), name


def test_an_object_that_only_fulfils_the_protocol_runs(iris):
    """The frame needs the hooks, not the base class."""
    X, y, model = iris

    class Alone(AttackHooks):
        norm, max_queries, n_starts, starts = 2, 200, 3, "data"
        targeted, batch_rows, random_state = False, 1000, 0

        def _search(self, task):
            task.report(len(task.x))

    result = _run.run_attack(
        Alone(), model, X[:5], y[:5], eps=None, space=None, pool=X, n_jobs=None, verbose=0
    )
    assert result.success.all()
    assert (model.predict(result.X_adv) != y[:5]).all()
