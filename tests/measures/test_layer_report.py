import numpy as np
import pytest
import torch

from isthmus.core.errors import InputError
from isthmus.measures import layer_report, vne


def texts(noise=(2.0, 0.2, 1.0), seed=0, count=24, tokens=5, d=6, views=2):
    """Layers whose views differ by ``noise``, original first."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(count, 1, d)) + 0.3 * rng.normal(size=(count, tokens, d))
    apart = rng.normal(size=(views + 1, len(noise), count, tokens, d))
    return base + apart * np.array(noise)[:, None, None, None]


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def infonce(a, b):
    z, n, total = np.concatenate([a, b]), len(a), 0.0
    for i in range(2 * n):
        s = [np.exp(z[i] @ z[j] / 0.1) for j in range(2 * n)]
        total -= np.log(s[(i + n) % (2 * n)] / (sum(s) - s[i]))
    return total / (2 * n)


def lidar(views):
    q, n, d = views.shape
    mean = views.mean(axis=(0, 1))
    between, within = np.zeros((d, d)), np.zeros((d, d))
    for i in range(n):
        m = views[:, i].mean(axis=0)
        between += np.outer(m - mean, m - mean) / n
        for j in range(q):
            within += np.outer(views[j, i] - m, views[j, i] - m) / (n * q)
    within += 1e-4 * np.trace(within) / d * np.eye(d)
    values, vectors = np.linalg.eigh(within)
    root = vectors @ np.diag(values**-0.5) @ vectors.T
    p = np.linalg.eigvalsh(root @ between @ root)
    p = p / p.sum()
    return np.exp(-np.sum(p * np.log(p)))


def test_equals_the_formulas_layer_by_layer():
    stacks = texts()
    score = layer_report(stacks[0], list(stacks[1:]))
    for i in range(3):
        layer, pooled = stacks[0, i], stacks[:, i].mean(axis=2)
        part = {key: values[i] for key, values in score.parts.items()}
        prompt = np.mean([vne(tokens).value for tokens in layer]) / np.log(5)
        assert part["prompt_entropy"] == pytest.approx(prompt)
        assert part["dataset_entropy"] == pytest.approx(vne(pooled[0]).value / np.log(6))
        steps = np.diff(layer, axis=1)
        turns = [(steps[c, t], steps[c, t + 1]) for c in range(24) for t in (0, 1, 2)]
        angles = [np.arccos(unit(one) @ unit(two)) for one, two in turns]
        assert part["curvature"] == pytest.approx(np.mean(angles))
        z = unit(pooled)
        expected = np.mean([infonce(z[a], z[b]) for a, b in ((0, 1), (0, 2), (1, 2))])
        assert part["infonce"] == pytest.approx(expected)
        assert part["lidar"] == pytest.approx(lidar(pooled))


def test_dime_is_the_gap_of_joint_entropies_and_zero_for_unrelated_views():
    stacks = texts(noise=(0.1,), views=1)

    def joint(a, b):
        p = np.linalg.eigvalsh(a * b) / len(a)
        p = p[p > 1e-15]
        return -np.sum(p * np.log(p))

    z = unit(stacks[:, 0].mean(axis=2))
    a, b = z[0] @ z[0].T, z[1] @ z[1].T
    rng = np.random.default_rng(7)
    orders = [rng.permutation(24) for _ in range(400)]
    many = np.mean([joint(a, b[np.ix_(o, o)]) for o in orders])
    found = layer_report(stacks[0], [stacks[1]]).parts["dime"][0]
    assert found == pytest.approx(many - joint(a, b), abs=0.02)
    other = np.random.default_rng(8).permutation(24)
    apart = layer_report(stacks[0], [stacks[1][:, other]]).parts["dime"][0]
    assert abs(apart) < 0.05 < found


def test_recommends_the_layer_that_noise_moves_least():
    stacks = texts()
    score = layer_report(stacks[0], [stacks[1]])
    assert score.value == 1
    assert score.parts["rank"][1] == 1
    assert score.warnings == ()
    # Copies of other sequences carry no such news: the choice is then nobody's.
    mixed = layer_report(stacks[0], [stacks[1][:, ::-1]])
    assert mixed.parts["infonce"][1] > score.parts["infonce"][1] + 1
    disagree = layer_report(stacks[0][:, :, :, :2], [stacks[1][:, ::-1, :, :2]])
    assert disagree.warnings == () or "best layers differ" in disagree.warnings[0]


def test_straight_and_turning_paths():
    line = np.arange(6.0)[:, None] * np.ones(3) + np.random.default_rng(0).normal(size=(5, 1, 3))
    turn = np.stack([np.arange(6) % 2, np.zeros(6), np.zeros(6)], axis=1)
    back = turn + np.random.default_rng(0).normal(size=(5, 1, 3))
    parts = layer_report([line, back], [[line, back]]).parts
    assert parts["curvature"] == pytest.approx([0, np.pi], abs=1e-6)


def test_scale_kinds_and_views_of_other_length():
    stacks = texts()
    before = layer_report(stacks[0], [stacks[1]])
    after = layer_report(1e-3 * stacks[0], [1e-3 * stacks[1]])
    tensors = layer_report(torch.asarray(stacks[0]), [torch.asarray(stacks[1])])
    for key, values in before.parts.items():
        assert after.parts[key] == pytest.approx(values, rel=1e-6)
        assert tensors.parts[key] == pytest.approx(values, abs=1e-9)
    shorter = layer_report(stacks[0], [stacks[1][:, :, :3]])
    assert shorter.parts["infonce"][1] < shorter.parts["infonce"][0]
    same = layer_report(stacks[0], [stacks[0]])  # copies that do not differ at all
    assert np.isfinite(same.parts["lidar"]).all()


@pytest.mark.parametrize(
    ("bad", "views"),
    [
        (texts()[0], []),
        (texts()[0], [texts()[0][:2]]),
        (texts()[0], [texts(count=20)[0]]),
        (texts()[0], [texts(d=5)[0]]),
        (texts(count=3)[0], [texts(count=3)[0]]),
        (texts(tokens=2)[0], [texts()[0]]),
        (np.ones((2, 5, 4, 3)), [np.ones((2, 5, 4, 3))]),
        (texts()[0] * np.nan, [texts()[0]]),
    ],
)
def test_bad_input(bad, views):
    with pytest.raises(InputError, match="layer_report"):
        layer_report(bad, views)


def test_width_one_has_no_entropy_to_share():
    stacks = texts(d=1)
    parts = layer_report(stacks[0], [stacks[1]]).parts
    assert not parts["dataset_entropy"].any()
    assert not parts["prompt_entropy"].any()


def test_views_that_cancel_their_originals_are_refused():
    """LiDAR was NaN and so were all ranks, of which the first layer was recommended."""
    layers = texts()[0]
    with pytest.raises(InputError, match="layer 0.*near to their originals"):
        layer_report(layers, [-layers])
