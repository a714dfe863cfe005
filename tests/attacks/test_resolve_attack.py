from __future__ import annotations

import numpy as np
import pytest

from specreg_sklearn import _registry
from specreg_sklearn.attacks import ARTAttack, BlackBoxAttack, resolve_attack


class Mine(BlackBoxAttack):
    def _search(self, task):
        task.report(len(task.x))


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setitem(_registry._ADDED, "attacks", {"mine": Mine, "odd": dict})


def test_art_prefix():
    attack = resolve_attack("art/BoundaryAttack", random_state=4)
    assert isinstance(attack, ARTAttack)
    assert (attack.name, attack.random_state) == ("BoundaryAttack", 4)


def test_registered_names(registered):
    attack = resolve_attack("mine", norm=np.inf, random_state=1)
    assert type(attack) is Mine
    assert (attack.norm, attack.random_state) == (np.inf, 1)


def test_objects_are_copied_and_keep_their_parameters():
    mine = Mine(norm=np.inf, random_state=5)
    attack = resolve_attack(mine, random_state=9)
    assert attack is not mine
    assert attack.get_params() == mine.get_params()


@pytest.mark.parametrize("name", ["HopSkipJump", "cgbaa", "ART/HopSkipJump", ""])
def test_unknown_names(registered, name):
    with pytest.raises(
        ValueError, match=r"Valid names: .*'mine'.*'art/HopSkipJump'.*prefix 'art/'"
    ):
        resolve_attack(name)


def test_art_names_that_cannot_work():
    with pytest.raises(ValueError, match="DeepFool cannot be used here: it needs gradients"):
        resolve_attack("art/DeepFool")
    with pytest.raises(ValueError, match="'HopSkip' is not an evasion attack of ART"):
        resolve_attack("art/HopSkip")


def test_parameters_are_checked_at_once():
    with pytest.raises(ValueError, match="norm=3 is not supported"):
        resolve_attack("art/HopSkipJump", norm=3)
    with pytest.raises(ValueError, match="n_starts=0"):
        resolve_attack(Mine(n_starts=0))


@pytest.mark.parametrize("attack", [None, 3, ARTAttack, object()])
def test_other_objects(attack):
    with pytest.raises(TypeError, match="neither a name nor an attack"):
        resolve_attack(attack)


def test_registered_objects_must_be_attacks(registered):
    with pytest.raises(TypeError, match="'odd' is registered as dict"):
        resolve_attack("odd")
