"""Counted work is the arithmetic that is written; a formula fits what grows like it, alone."""

import numpy as np
import pytest

from isthmus.testing.cost import counted, misfit, terms

torch = pytest.importorskip("torch", reason="torch is not installed")

N, D, K = 10, 4, 3


def tensor(*shape):
    return torch.asarray(np.random.default_rng(sum(shape)).normal(size=shape))


X, Y, V, SQUARE = tensor(N, D), tensor(D, K), tensor(D), tensor(D, D)
STACK, ZEROS = tensor(5, 2, D), torch.zeros(N, K, dtype=torch.float64)
ORDER = torch.asarray([2, 0, 1])

WORK = {
    # 2 m n k per matrix product, however it is written.
    "matrix product": (lambda: X @ Y, 2 * N * D * K),
    "product of a transpose": (lambda: X.T @ X, 2 * N * D * D),
    "product with a vector": (lambda: X @ V, 2 * N * D),
    "inner product": (lambda: V @ V, 2 * D),
    "products of a stack": (lambda: STACK @ STACK.mT, 5 * 2 * 2 * D * 2),
    "product of a stack and a matrix": (lambda: STACK @ Y, 2 * N * D * K),
    "einsum": (lambda: torch.einsum("nd,dk->nk", X, Y), 2 * N * D * K),
    "addmm": (lambda: torch.addmm(ZEROS, X, Y), 2 * N * D * K),
    "addmv": (lambda: torch.addmv(ZEROS[:, 0], X, V), 2 * N * D),
    "baddbmm": (lambda: torch.baddbmm(STACK[:, :, :2], STACK, STACK.mT), 5 * 2 * 2 * D * 2),
    # d^3 per factorisation, n d^2 where it is of a tall matrix.
    "singular values": (lambda: torch.linalg.svd(X, full_matrices=False), N * D * D),
    "eigenvalues": (lambda: torch.linalg.eigh(SQUARE), D**3),
    "qr": (lambda: torch.linalg.qr(X), N * D * D),
    "inverse": (lambda: torch.linalg.inv(SQUARE), D**3),
    "solution": (lambda: torch.linalg.solve(SQUARE, Y), D**3),
    "determinant": (lambda: torch.linalg.det(SQUARE), D**3),
    # One per entry read or made, whichever is more.
    "sum": (lambda: X.sum(), N * D),
    "maximum and its place": (lambda: X.max(dim=1), N * D),
    "sum with a number": (lambda: X + 1, N * D),
    "table of sums": (lambda: X[:, 0, None] + X[None, :, 0], N * N),
    "chosen columns": (lambda: Y[:, ORDER], D * K),
    "lengths of rows": (lambda: torch.linalg.vector_norm(X, dim=1), N * D),
    "length of a vector": (lambda: V.norm(), D),
    "in place": (lambda: X.clone().mul_(2), 2 * N * D),
    "written rows": (lambda: X.clone()[:2].fill_(0), N * D + 2 * D),
    # A view reads nothing, wherever it begins.
    "transpose": (lambda: X.T, 0),
    "other shape": (lambda: X.reshape(2, -1), 0),
    "first rows": (lambda: X[:3], 0),
    "last rows": (lambda: X[3:], 0),
    "nothing": (lambda: None, 0),
}


@pytest.mark.parametrize("what", WORK)
def test_work_is_counted(what):
    run, work = WORK[what]
    assert counted(run) == work


def test_a_triangular_factor_costs_its_cube_and_its_copy():
    """Torch clears the other triangle: d^3 and some entries, however many it touches."""
    work = counted(lambda: torch.linalg.cholesky(torch.eye(8, dtype=torch.float64)))
    assert 8**3 <= work <= 8**3 + 4 * 8**2


def test_work_adds_up_and_starts_at_none():
    def run():
        return (X @ Y).sum() + 1

    assert counted(run) == counted(run) == 2 * N * D * K + N * K + 1


def test_terms_are_products_of_powers():
    sizes = {"n": 10, "d": 2, "k": 3, "m": 5}
    assert terms("n", sizes) == [10]
    assert terms("n d^2 + k n m + d^3", sizes) == [40, 150, 8]
    with pytest.raises(KeyError):
        terms("n d", {"n": 10})


SIZES = [{"n": n, "d": d} for n, d in ((256, 16), (512, 16), (1024, 16), (256, 48), (512, 48))]


def measured(work):
    return [work(**size) for size in SIZES]


@pytest.mark.parametrize(
    ("cost", "work"),
    [
        ("n d^2", lambda n, d: 2 * n * d**2),
        ("n d^2 + d^3", lambda n, d: 7 * n * d**2 + 30 * d**3),
        ("n d^2 + d^3", lambda n, d: n * d**2),  # a weight may be none
        ("n^2 d", lambda n, d: n**2 * d),
    ],
)
def test_the_right_formula_fits(cost, work):
    assert misfit(cost, SIZES, measured(work)) < 1e-9


@pytest.mark.parametrize(
    ("cost", "work"),
    [
        ("n d", lambda n, d: 2 * n * d**2),
        ("n d^2", lambda n, d: n**2 * d),
        ("n^2 d", lambda n, d: n * d**2),
        ("n d^2 + d^3", lambda n, d: n * d**2 + 4 * n**2 * d),
        ("n d^2 + d^3", lambda n, d: n * d**2 - 4 * d**3),  # nor may it be below none
    ],
)
def test_a_wrong_formula_does_not(cost, work):
    """By more than the 35% that the contracts allow."""
    assert misfit(cost, SIZES, measured(work)) > 0.35


def test_the_misfit_is_the_largest_relative_error():
    """Of w against measured 1 and 3 best is w with errors 1 - w and 1 - w/3 least squared."""
    w = (1 + 1 / 3) / (1 + 1 / 9)
    sizes = [{"n": 1}, {"n": 1}]
    assert misfit("n", sizes, [1.0, 3.0]) == pytest.approx(max(abs(w - 1), abs(w / 3 - 1)))


def test_counted_work_of_a_scatter_fits_its_formula_alone():
    spaces = [tensor(size["n"], size["d"]) for size in SIZES]
    work = [counted(lambda x=x: x.T @ x) for x in spaces]
    assert misfit("n d^2", SIZES, work) < 1e-9
    assert misfit("n d", SIZES, work) > 0.35
