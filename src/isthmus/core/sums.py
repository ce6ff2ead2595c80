"""Sums: the sums over rows that ``Moments`` holds, how they add up and how they move."""

import numpy as np


class Sums:
    """Σ w wᵀ of rows w = [x, y, a, b, 1], without what is mirrored or not kept.

    ``scatters`` holds Σxxᵀ, Σxyᵀ and Σyyᵀ by the numbers of their sides, ``thin`` (3, dx + dy + 3)
    the rows of a, b and 1.
    """

    __slots__ = ("dims", "scatters", "thin")

    def __init__(self, dims: tuple[int, int]) -> None:
        self.dims = dims
        self.scatters: dict[tuple[int, int], np.ndarray] = {}
        self.thin = np.zeros((3, sum(dims) + 3))

    @property
    def sides(self) -> tuple[slice, slice]:
        """Where x and y stand among the columns of ``thin``."""
        return slice(0, self.dims[0]), slice(self.dims[0], sum(self.dims))

    @property
    def total(self) -> np.ndarray:
        """Sums of the rows of x and y, (dx + dy,)."""
        return self.thin[-1, :-3]

    def plus(self, other: "Sums", *, out: "Sums | None" = None) -> "Sums":
        """The sums of both sets of rows; in the memory of ``out``, if given."""
        result = Sums(self.dims)
        for place, scatter in self.scatters.items():
            held = None if out is None else out.scatters[place]
            result.scatters[place] = np.add(scatter, other.scatters[place], out=held)
        result.thin = self.thin + other.thin
        return result

    def moved(self, delta: np.ndarray) -> "Sums":
        """The sums of rows with ``delta`` (dx + dy,) added to each.

        That is linear in w: x' = x + δ·1, a' = a + 2 x·δ + |δ|²·1. Written as w' = T w the sums
        become T (Σ w wᵀ) Tᵀ, but T differs from the identity in two rows and one column only, so
        each side costs O(d²).
        """
        if not delta.any():
            return self
        result = Sums(self.dims)
        ahead = self.total + self.thin[-1, -1] * delta
        for (i, j), scatter in self.scatters.items():
            one, two = self.sides[i], self.sides[j]
            result.scatters[i, j] = (
                scatter + np.outer(delta[one], ahead[two]) + np.outer(self.total[one], delta[two])
            )
        result.thin = self.moved_thin(delta)
        return result

    def moved_thin(self, delta: np.ndarray) -> np.ndarray:
        """``thin`` of the moved rows. What takes a scatter that is not kept is left without it."""
        thin, d = self.thin.copy(), len(delta)
        parts = [delta[side] for side in self.sides]
        for i, side in enumerate(self.sides):
            thin[i] += parts[i] @ parts[i] * self.thin[-1]
            thin[i, d:] += 2 * self.thin[:, side] @ parts[i]
            for j, other in enumerate(self.sides):
                if (min(i, j), max(i, j)) in self.scatters:
                    scatter = self.scatters[min(i, j), max(i, j)]
                    thin[i, other] += 2 * (parts[i] @ scatter if i <= j else scatter @ parts[i])
        shifts = [
            2 * thin[:, side] @ part + part @ part * thin[:, -1]
            for side, part in zip(self.sides, parts, strict=True)
        ]
        thin[:, d : d + 2] += np.stack(shifts, axis=1)
        thin[:, :d] += np.outer(thin[:, -1], delta)
        return thin

    def finite(self) -> bool:
        """Whether every entry is finite. A finite total is quicker to see, and proves the same."""
        with np.errstate(over="ignore", invalid="ignore"):
            return all(
                np.isfinite(held.sum()) or np.isfinite(held).all()
                for held in (*self.scatters.values(), self.thin)
            )
