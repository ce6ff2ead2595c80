"""Declared invariances of the measures that take more than plain spaces, and only those, hold.

The suite of ``isthmus.testing`` calls every measure of one or two spaces by its card. What takes
stacks of layers, rows with targets or functions needs a word on how its arguments are built, and
on which of them a group acts: an adapter, below. It returns the arrays (..., d) that the group
moves together, and a function from those to the numbers that must stay.
"""

import numpy as np
import pytest

from isthmus import measures
from isthmus.core.card import GROUPS, Card, Paper
from isthmus.core.errors import InputError
from isthmus.core.registry import Method, methods
from isthmus.core.score import Score
from isthmus.measures.encoder_benchmark import Task
from isthmus.testing.groups import elements, farthest, related

OTHERS = {method.name: method for method in methods("measures") if method.card.spaces == 0}
#: Those without vectors of their own that a group could act on.
WITHOUT = {
    "cog_levels": "takes concepts of a taxonomy",
    "learner_invariances": "tells the invariances of the function it is given",
}
SAME, MOVED, DIM = 1e-8, 1e-5, 6


def of_passages(call, rng):
    p, s = rng.normal(size=(60, DIM)) + 1, rng.normal(size=(120, DIM)) + 1
    passage = np.repeat(np.arange(60), 2)
    s += 2 * p[passage]
    return [p, s], lambda p, s: call(p, s, passage).value


def of_factors(call, rng):
    a, b = rng.normal(size=(2, 40, DIM)) * np.geomspace(3, 0.3, DIM)
    return [a, b], lambda a, b: call(a, b).value


def of_features(call, rng):
    """Columns that sample the features of one space."""
    hidden = rng.normal(size=(120, 3))
    x, y = (hidden @ rng.normal(size=(3, DIM)) + 1 for _ in range(2))
    return [x], lambda x: call(x, y).value


def of_targets(call, rng):
    x, y = related(120, DIM, rng)
    return [x], lambda x: call(x, y[:, 0]).value


def of_classes(call, rng):
    x, y = related(120, DIM, rng)
    labels = (y[:, 0] > np.median(y[:, 0])).astype(int)
    return [x], lambda x: call(x, labels).value


def of_probabilities(call, rng):
    labels = np.arange(120) % 3
    x = rng.dirichlet(np.ones(DIM), size=120) + np.eye(DIM)[labels]
    return [x / 2], lambda x: call(x, labels).value


def of_encoders(call, rng):
    """The vectors of all encoders move."""
    labels, inputs = np.arange(60) % 3, np.arange(60.0)[:, None]
    x = [
        rng.normal(size=(60, DIM)) + 0.3 + spread * rng.normal(size=(3, DIM))[labels]
        for spread in (0.3, 0.6, 0.9)
    ]
    tasks = [Task(category=name, inputs=inputs, labels=labels) for name in ("probe", "retrieval")]

    def numbers(*spaces):
        encoders = {f"e{i}": lambda rows, z=z: z for i, z in enumerate(spaces)}
        return call(encoders, tasks).parts["tasks"]

    return x, numbers


def of_prompts(call, rng):
    hidden = rng.normal(size=(3, 4, 30, DIM)) * np.geomspace(2, 0.2, DIM) + 1
    return [hidden], lambda hidden: call(hidden).value


def of_layers(call, rng):
    hidden = rng.normal(size=(3, 60, DIM)) * np.geomspace(2, 0.2, DIM) + 1
    return [hidden], lambda hidden: call(hidden).value


def of_views(call, rng):
    """The recommended layer alone would hide most changes, so what it is chosen by counts."""
    hidden = rng.normal(size=(2, 20, 1, DIM)) + 0.5 * rng.normal(size=(2, 20, 4, DIM)) + 1
    view = hidden + 0.5 * rng.normal(size=hidden.shape)

    def numbers(hidden, view):
        parts = call(hidden, [view]).parts
        return np.stack([parts[key] for key in ("infonce", "lidar", "dime")])

    return [hidden, view], numbers


def of_one_layer(call, rng):
    hidden = rng.normal(size=(8, 1, DIM)) + rng.normal(size=(10, DIM)) + 1
    hidden = hidden + 0.3 * rng.normal(size=hidden.shape)
    return [hidden], lambda hidden: call(hidden).value


def of_nodes(call, rng):
    x = rng.normal(size=(60, DIM)) * np.geomspace(2, 0.2, DIM) + 1
    ring = np.column_stack([np.arange(60), np.roll(np.arange(60), 1)])
    return [x], lambda x: call(x, ring).value


def of_vectors(call, rng):
    """The vectors move that the encoder makes of clean inputs; so do those of disturbed ones."""
    inputs, w = rng.normal(size=(40, DIM)), rng.normal(size=(DIM, DIM))
    noise = []

    def numbers(*clouds):
        calls = iter(clouds)
        return call(lambda rows: next(calls), inputs, LEVELS).value

    call(lambda rows: noise.append(np.tanh(rows @ w)) or noise[-1], inputs, LEVELS)
    return noise, numbers


LEVELS = [0.3, 0.6, 0.9]


def of_repeats(call, rng):
    x, y = rng.normal(size=(2, 6, 12, 3)) * [2.0, 1.0, 0.5] + rng.normal(size=(2, 6, 1, 3))
    return [x], lambda x: call(x, y).value


def of_inputs(call, rng):
    x, w = rng.normal(size=(40, DIM)) * np.geomspace(2, 0.2, DIM), rng.normal(size=(DIM, DIM))

    def numbers(x):
        score = call(w * np.geomspace(1, 0.1, DIM), x, tol=0.2)
        return np.array([score.value, score.parts["error"]])

    return [x], numbers


ADAPTERS = {
    "containment_probe": of_passages,
    "cosine_audit": of_factors,
    "curation_fit": of_targets,
    "dataset_profile": of_classes,
    "encoder_benchmark": of_encoders,
    "input_feature_debiased_cka": of_features,
    "layer_geometry": of_prompts,
    "layer_profile": of_layers,
    "layer_report": of_views,
    "leep": of_probabilities,
    "position_context": of_one_layer,
    "rank_axis": of_targets,
    "reconstruction_map": of_nodes,
    "rmqm": of_vectors,
    "stochastic_shape_distance": of_repeats,
    "trace_probe": of_classes,
    "utilized_rank": of_inputs,
}


def moved(spaces, group):
    """The spaces after each of a few elements of the group acted on the rows of all of them."""
    dim, sizes = spaces[0].shape[-1], [space.size // space.shape[-1] for space in spaces]
    rows = np.concatenate([space.reshape(-1, dim) for space in spaces])
    for act in elements(group, dim, sum(sizes)):
        parts = np.split(act(rows), np.cumsum(sizes)[:-1])
        yield [part.reshape(space.shape) for part, space in zip(parts, spaces, strict=True)]


def gap(numbers, before, spaces):
    """How far the numbers move, relative to the largest; a refusal is no invariance."""
    try:
        after = np.asarray(numbers(*spaces))
    except InputError:
        return np.inf
    return float(np.abs(after - before).max() / max(np.abs(before).max(), 1.0))


def check_invariances(method, adapter):
    for data in (0, 1):
        spaces, numbers = adapter(method.call, np.random.default_rng(data))
        before = np.asarray(numbers(*spaces))
        for group in GROUPS:
            declared = method.card.declares(group)
            found = farthest(
                (gap(numbers, before, acted) for acted in moved(spaces, group)),
                enough=np.inf if declared else MOVED,
            )
            assert found <= SAME if declared else found >= MOVED, (
                f"{method.name} moves by {found:.2g} under {group}, "
                f"which its card {'declares' if declared else 'does not declare'}"
            )


def test_every_measure_has_an_adapter_or_a_reason():
    assert set(ADAPTERS) | set(WITHOUT) == set(OTHERS)
    assert not any(OTHERS[name].card.invariant for name in WITHOUT)


@pytest.mark.parametrize("name", ADAPTERS)
def test_what_the_card_declares_holds_and_nothing_else(name):
    check_invariances(OTHERS[name], ADAPTERS[name])


def wrong(call, *invariant):
    card = Card(
        name="wrong", summary="A wrong measure.", paper=Paper("None", "Nobody", 2000), cost="n d",
        memory="n", spaces=0, invariant=invariant,
    )  # fmt: skip
    return Method("measures", card, call)


def of_norms(x, y):
    """Without a change under rotations, and under no other group."""
    return Score(value=float(np.linalg.norm(x, axis=1) @ y), method="wrong", n=len(x))


@pytest.mark.parametrize(
    "declared", [(), ("permutation",), ("orthogonal", "translation"), ("invertible_linear",)]
)
def test_a_wrong_declaration_is_rejected(declared):
    check_invariances(wrong(of_norms, "orthogonal"), of_targets)
    with pytest.raises(AssertionError, match="wrong moves by"):
        check_invariances(wrong(of_norms, *declared), of_targets)


def test_a_measure_that_refuses_what_it_declares_is_rejected():
    with pytest.raises(AssertionError, match="moves by inf under orthogonal"):
        check_invariances(wrong(measures.leep, "orthogonal"), of_probabilities)
