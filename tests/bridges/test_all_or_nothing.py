"""Every estimator of the room: a fit that raises leaves it as it was."""

import inspect
from importlib import import_module
from pkgutil import iter_modules

import numpy as np
import pytest

import isthmus.bridges
from isthmus.bridges import MultiInterpolant
from isthmus.bridges.all_or_nothing import all_or_nothing
from isthmus.core.errors import InputError

#: What an estimator cannot be made without.
NEEDS = {"Schema": {"maps": {"f": ("a", "b")}}, "StitchedHead": {"head": None, "bridge": None}}


def estimators():
    """All estimators with a ``fit`` in the files of the room, by name; mixins are none yet."""
    found = {}
    for file in iter_modules(isthmus.bridges.__path__):
        for name, cls in vars(import_module(f"isthmus.bridges.{file.name}")).items():
            if all(hasattr(cls, method) for method in ("fit", "get_params")):
                found[name] = cls
    return found


class Saboteur:
    """An input that, looked at in any way, settles something in the estimator and raises."""

    def __init__(self, victim):
        self.victim = victim

    def look(self, *_):
        self.victim.half_, self.victim.settled_ = 1, "otherwise"
        raise InputError("fit", "a saboteur", "rows")

    __getattr__ = __len__ = __iter__ = __getitem__ = look


def left_as_it_was(cls, method):
    """Whether an estimator is as before after a fit that looked at its inputs and failed."""
    one = cls(**NEEDS.get(cls.__name__, {}))
    one.settled_ = "before"
    before = dict(vars(one))
    wanted = inspect.signature(getattr(cls, method)).parameters.values()
    enemies = [Saboteur(one) for each in wanted if each.kind == each.POSITIONAL_OR_KEYWORD]
    # Some have no way to fit from moments, and say so without a look.
    with pytest.raises(InputError, match="saboteur" if method == "fit" else None):
        getattr(one, method)(*enemies[1:])  # none for self
    return vars(one) == before


def test_a_refused_fit_of_any_estimator_leaves_it_as_it_was():
    found = estimators()
    del found["StitchedHead"]  # looks at nothing and settles nothing
    assert {"Orthogonal", "Schema", "UniversalSpace", "TopicBridge"} < set(found)
    harmed = [
        (name, method)
        for name, cls in found.items()
        for method in ("fit", "fit_moments")
        if method in dir(cls) and not left_as_it_was(cls, method)
    ]
    assert not harmed


def test_an_unguarded_fit_is_seen():
    class Hasty:
        def fit(self, x):
            return x.shape

    assert not left_as_it_was(Hasty, "fit")
    Hasty.fit = all_or_nothing(Hasty.fit)
    assert left_as_it_was(Hasty, "fit")


def test_training_cut_short_keeps_the_map_there_was(monkeypatch):
    def cut(*_, **__):
        raise KeyboardInterrupt

    rng = np.random.default_rng(0)
    near, far = ([rng.normal(at, 1, (20, 2)) for _ in range(2)] for at in (0, 100))
    bridge = MultiInterpolant(hidden=4, batch=8, steps=3).fit(near)
    before = dict(vars(bridge))
    monkeypatch.setattr("isthmus.bridges.multi_interpolant.regress", cut)
    with pytest.raises(KeyboardInterrupt):
        bridge.fit(far)
    assert vars(bridge) == before  # the very same arrays
