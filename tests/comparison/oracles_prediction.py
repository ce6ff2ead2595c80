"""What rows tell about labels and other rows, straight from the equations (``oracles.py``)."""

import numpy as np


def mutual_information(a, b):
    """Plug-in, in nats, of two columns of labels."""
    joint = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(joint, (a, b), 1 / len(a))
    apart = np.outer(joint.sum(axis=1), joint.sum(axis=0))
    seen = joint > 0
    return float(np.sum(joint[seen] * np.log(joint[seen] / apart[seen])))


def mig(codes, factors):
    """Chen et al. 2018: the gap between the two columns that know a factor best."""
    gaps = []
    for factor in factors.T:
        known = sorted(mutual_information(code, factor) for code in codes.T)
        gaps.append((known[-1] - known[-2]) / mutual_information(factor, factor))
    return float(np.mean(gaps))


def disentanglement(weights):
    """Eastwood & Williams 2018, from weights (d, g) of columns for factors."""
    total = 0.0
    for row in weights:
        share = row[row > 0] / row.sum() if row.sum() else np.ones(0)
        total += row.sum() * (1 + np.sum(share * np.log(share)) / np.log(weights.shape[1]))
    return float(total / weights.sum())


def held_out_r2(x, y, folds, fit):
    """R² of rows predicted by the map and means of the other folds, ``fit(x, y) -> (d, e)``."""
    missed = spread = 0.0
    for held in folds:
        rest = np.setdiff1d(np.arange(len(x)), held)
        mx, my = x[rest].mean(axis=0), y[rest].mean(axis=0)
        w = fit(x[rest] - mx, y[rest] - my)
        missed += np.sum((y[held] - my - (x[held] - mx) @ w) ** 2)
        spread += np.sum((y[held] - my) ** 2)
    return float(1 - missed / spread)


def ridge(x, y, penalties, *, leave_one_out=False):
    """Map and penalty of least generalised, or leave-one-out, error; rows centred, a mean fitted.

    Penalties come in units of the mean eigenvalue of the scatter.
    """
    best = np.inf, None, None
    for penalty in penalties * np.linalg.eigvalsh(x.T @ x).mean():
        w = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T)
        hat = x @ w + 1 / len(x)
        rest = y - hat @ y
        left = 1 - np.diag(hat) if leave_one_out else np.full(len(x), 1 - np.trace(hat) / len(x))
        error = np.sum((rest / left[:, None]) ** 2)
        best = min(best, (error, w @ y, penalty), key=lambda one: one[0])
    return best[1:]


def pls(x, y, components):
    """The map of partial least squares, both sides deflated; rows centred."""
    left, weights, loads, told = x.copy(), [], [], []
    for _ in range(components):
        weights.append(np.linalg.svd(left.T @ y)[0][:, 0])
        score = left @ weights[-1]
        loads.append(left.T @ score / (score @ score))
        told.append(y.T @ score / (score @ score))
        left = left - np.outer(score, loads[-1])
        y = y - np.outer(score, told[-1])
    w, p, q = (np.array(one).T for one in (weights, loads, told))
    return w @ np.linalg.solve(p.T @ w, q.T)


def voted(x, labels, k):
    """Share of rows whose k nearest others vote for their class; no two classes may tie."""
    apart = np.linalg.norm(x[:, None] - x, axis=2) + np.diag(np.full(len(x), np.inf))
    near = labels[apart.argsort(axis=1)[:, :k]]
    return float(np.mean([np.bincount(one).argmax() for one in near] == labels))


def least_squares(x, y, new):
    """Predictions for new rows of the regression of y on x and a constant."""
    ones = np.ones((len(x), 1))
    coef = np.linalg.pinv(np.hstack([x, ones])) @ y
    return np.hstack([new, np.ones((len(new), 1))]) @ coef
