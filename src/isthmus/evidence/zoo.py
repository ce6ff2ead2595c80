"""A zoo of cheap encoders of small square images, and changes made to such images.

``encoders`` trains each in seconds; ``CHANGES`` move images by a known amount. All images are rows
(n, side * side) between 0 and 1.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from isthmus.core.errors import InputError, MissingExtra
from isthmus.evidence.networks import autoencoder, classifier, hidden

#: From images (n, p) to vectors (n, d).
Encoder = Callable[[np.ndarray], np.ndarray]
#: From images, labels and a seed to an encoder.
Trainer = Callable[[np.ndarray, np.ndarray, int], Encoder]
#: From images (n, p) and an amount, one or one an image, to changed images.
Change = Callable[[np.ndarray, Any], np.ndarray]

WIDTH = 32
#: Steps of the contrastive training.
STEPS = 300
_BLOCK = 256


def side(images: np.ndarray) -> int:
    """How many pixels images (n, p) are wide and high.

    Raises
    ------
    InputError
        When p is no square.

    Examples
    --------
    >>> side(np.zeros((3, 64)))
    8
    """
    width = round(images.shape[1] ** 0.5) if images.ndim == 2 else 0
    if not width or width**2 != images.shape[1]:
        raise InputError("zoo", f"images of shape {images.shape}", "rows of square images")
    return width


def encoders(
    images: np.ndarray, labels: np.ndarray, *, seed: int, names: Sequence[str] | None = None
) -> dict[str, Encoder]:
    """The encoders of ``ZOO`` (or those named) fitted to ``images`` (n, p) and ``labels`` (n,).

    Raises
    ------
    InputError
        On an unknown name, or images that are not square.
    MissingExtra
        When ``contrastive`` is asked for and torch is not installed.

    Examples
    --------
    >>> x = np.random.default_rng(0).random((40, 64))
    >>> zoo = encoders(x, np.arange(40) % 4, seed=0, names=["pixels", "pca", "lda"])
    >>> {name: encode(x).shape for name, encode in zoo.items()}
    {'pixels': (40, 64), 'pca': (40, 32), 'lda': (40, 3)}
    """
    side(images)
    wanted = tuple(ZOO) if names is None else tuple(names)
    strange = [name for name in wanted if name not in ZOO]
    if strange:
        raise InputError("zoo", f"encoders {strange}", f"some of {', '.join(ZOO)}")
    images = np.asarray(images, dtype=np.float64)
    return {name: ZOO[name](images, labels, seed) for name in wanted}


def pixels(images: np.ndarray, labels: np.ndarray, seed: int) -> Encoder:
    """The image itself."""
    return lambda x: np.asarray(x, dtype=np.float64)


def pca(images: np.ndarray, labels: np.ndarray, seed: int) -> Encoder:
    """The principal components with the most variance."""
    mean = images.mean(axis=0)
    axes = np.linalg.eigh(np.cov(images, rowvar=False))[1][:, ::-1][:, :WIDTH]
    return lambda x: (x - mean) @ axes


def hog(images: np.ndarray, labels: np.ndarray, seed: int) -> Encoder:
    """Histograms of oriented gradients (Dalal & Triggs 2005), which need no training."""
    return oriented_gradients


def lda(images: np.ndarray, labels: np.ndarray, seed: int) -> Encoder:
    """Fisher's discriminants with a tenth of shrinkage, as many as classes less one."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    fitted = LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.1).fit(images, labels)
    return lambda x: np.asarray(fitted.transform(x))


def random_conv(images: np.ndarray, labels: np.ndarray, seed: int) -> Encoder:
    """Random filters, the positive part of what they answer, averaged over 2 x 2 regions."""
    size = 3 if side(images) < 16 else 5
    filters = np.random.default_rng(seed).normal(size=(size * size, WIDTH))
    filters -= filters.mean(axis=0)  # blind to even light, as edge detectors are

    def encode(x: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, len(x), _BLOCK):
            stack = _square(x[start : start + _BLOCK])
            windows = np.lib.stride_tricks.sliding_window_view(stack, (size, size), axis=(1, 2))
            shape = windows.shape[:3]
            answers = np.maximum(windows.reshape(*shape, size * size) @ filters, 0.0)
            halves = [h.mean(axis=1) for h in np.array_split(answers, 2, axis=1)]
            quarters = [q.mean(axis=1) for h in halves for q in np.array_split(h, 2, axis=1)]
            parts.append(np.concatenate(quarters, axis=1))
        return np.concatenate(parts)

    return encode


def random_mlp(images: np.ndarray, labels: np.ndarray, seed: int) -> Encoder:
    """Two layers of relu units with random weights."""
    weights = _weights((images.shape[1], 128, WIDTH), np.random.default_rng(seed))

    def encode(x: np.ndarray) -> np.ndarray:
        for layer in weights:
            x = np.maximum(x @ layer, 0.0)
        return x

    return encode


def auto(images: np.ndarray, labels: np.ndarray, seed: int) -> Encoder:
    """The code of an autoencoder."""
    network = autoencoder(images, layers=(128, WIDTH, 128), epochs=_epochs(images), seed=seed)
    return lambda x: hidden(network, x, layer=2)


def supervised(images: np.ndarray, labels: np.ndarray, seed: int) -> Encoder:
    """The last hidden layer of a classifier of the labels."""
    network = classifier(images, labels, layers=(128, WIDTH), epochs=_epochs(images), seed=seed)
    return lambda x: hidden(network, x, layer=2)


def contrastive(images: np.ndarray, labels: np.ndarray, seed: int) -> Encoder:
    """An MLP with unit outputs trained by InfoNCE on pairs of ``views``; sees no label."""
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("zoo", "torch", "torch") from error
    from isthmus.evidence.alignment_and_uniformity import infonce

    rng = np.random.default_rng(seed)
    layers = [
        torch.tensor(w, dtype=torch.float32).requires_grad_()
        for w in _weights((images.shape[1], 128, WIDTH), rng)
    ]
    biases = [torch.zeros(w.shape[1], requires_grad=True) for w in layers]

    def forward(x: np.ndarray) -> Any:
        h = torch.relu(torch.tensor(x, dtype=torch.float32) @ layers[0] + biases[0])
        return torch.nn.functional.normalize(h @ layers[1] + biases[1], dim=1)

    optimiser = torch.optim.Adam([*layers, *biases], lr=3e-3)
    for _ in range(STEPS):
        batch = images[rng.choice(len(images), min(_BLOCK, len(images)), replace=False)]
        loss = infonce(*(forward(views(batch, rng)) for _ in range(2)), temperature=0.5)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    def encode(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            codes: np.ndarray = forward(x).double().numpy()
        return codes

    return encode


ZOO: dict[str, Trainer] = {
    "pixels": pixels,
    "pca": pca,
    "hog": hog,
    "lda": lda,
    "random_conv": random_conv,
    "random_mlp": random_mlp,
    "autoencoder": auto,
    "supervised": supervised,
    "contrastive": contrastive,
}


def oriented_gradients(images: np.ndarray, *, orientations: int = 8) -> np.ndarray:
    """Histograms of gradient directions in 4 x 4 cells, in blocks of 2 x 2 cells of length one.

    Directions count modulo 180 degrees and are shared between the two nearest of ``orientations``
    bins; (n, 9 * 4 * orientations).

    Examples
    --------
    >>> oriented_gradients(np.random.default_rng(0).random((5, 64))).shape
    (5, 288)
    """
    stack = _square(np.asarray(images, dtype=np.float64))
    down, right = np.gradient(stack, axis=(1, 2))
    size = np.hypot(down, right)
    place = (np.arctan2(down, right) % np.pi) / np.pi * orientations
    low = np.floor(place).astype(int) % orientations
    share = place - np.floor(place)
    bins = np.stack(
        [
            size * ((low == b) * (1 - share) + ((low + 1) % orientations == b) * share)
            for b in range(orientations)
        ],
        axis=-1,
    )
    rows = [part.sum(axis=1) for part in np.array_split(bins, 4, axis=1)]
    cells = np.stack(
        [[part.sum(axis=1) for part in np.array_split(row, 4, axis=1)] for row in rows]
    )  # (4, 4, n, orientations)
    blocks = []
    for i in range(3):
        for j in range(3):
            block = np.concatenate([*cells[i, j : j + 2], *cells[i + 1, j : j + 2]], axis=1)
            blocks.append(block / np.sqrt(np.sum(block**2, axis=1, keepdims=True) + 1e-4))
    return np.concatenate(blocks, axis=1)


def views(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Copies moved by up to 2 of 28 pixels either way (1 of 8, less often), with noise of 0.1."""
    width = side(images)
    reach = max(1, width // 14)
    padded = np.pad(_square(images), ((0, 0), (reach, reach), (reach, reach)))
    moves = rng.integers(-reach, reach + 1, (2, len(images)))
    if width < 16:  # there a whole pixel hides much of the image
        moves *= rng.random(moves.shape) < 0.3
    rows = (reach + moves[0])[:, None, None] + np.arange(width)[None, :, None]
    columns = (reach + moves[1])[:, None, None] + np.arange(width)[None, None, :]
    moved = padded[np.arange(len(images))[:, None, None], rows, columns]
    noisy: np.ndarray = moved.reshape(images.shape) + rng.normal(0, 0.1, images.shape)
    return noisy


def noisy(images: np.ndarray, amount: Any, rng: np.random.Generator) -> np.ndarray:
    """Images plus normal noise of that standard deviation, not clipped."""
    return images + _each(images, amount)[:, None] * rng.normal(size=images.shape)


def rotated(images: np.ndarray, amount: Any) -> np.ndarray:
    """Images turned by that many degrees about their middle."""
    from scipy.ndimage import rotate

    return _one_by_one(images, amount, lambda x, a: rotate(x, a, reshape=False, order=1))


def brightened(images: np.ndarray, amount: Any) -> np.ndarray:
    """Images times that factor, cut off at 1."""
    return np.minimum(images * _each(images, amount)[:, None], 1.0)


def thickened(images: np.ndarray, amount: Any) -> np.ndarray:
    """Strokes grown (amount to 1) or shrunk (to -1): mixed with the grey dilation or erosion.

    The neighbourhood is a pixel and its four neighbours on 8 pixels, 3 x 3 on more.
    """
    from scipy.ndimage import generate_binary_structure, grey_dilation, grey_erosion

    around = generate_binary_structure(2, 1 if side(images) < 16 else 2)

    def change(x: np.ndarray, a: float) -> np.ndarray:
        other = grey_dilation if a > 0 else grey_erosion
        return (1 - abs(a)) * x + abs(a) * other(x, footprint=around)

    return _one_by_one(images, amount, change)


def blurred(images: np.ndarray, amount: Any) -> np.ndarray:
    """Images under a Gaussian of that standard deviation in pixels."""
    from scipy.ndimage import gaussian_filter

    return _one_by_one(images, amount, gaussian_filter)


def shifted(images: np.ndarray, amount: Any) -> np.ndarray:
    """Images moved right by that many pixels, between pixels too."""
    from scipy.ndimage import shift

    return _one_by_one(images, amount, lambda x, a: shift(x, (0.0, a), order=1))


CHANGES: dict[str, Change] = {
    "rotation": rotated,
    "brightness": brightened,
    "thickness": thickened,
    "blur": blurred,
    "shift": shifted,
}


def _square(images: np.ndarray) -> np.ndarray:
    width = side(images)
    return images.reshape(-1, width, width)


def _each(images: np.ndarray, amount: Any) -> np.ndarray:
    return np.broadcast_to(np.asarray(amount, dtype=np.float64), len(images))


def _one_by_one(
    images: np.ndarray, amount: Any, change: Callable[[np.ndarray, float], np.ndarray]
) -> np.ndarray:
    pairs = zip(_square(images), _each(images, amount), strict=True)
    return np.stack([change(image, float(a)) for image, a in pairs]).reshape(images.shape)


def _weights(sizes: Sequence[int], rng: np.random.Generator) -> list[np.ndarray]:
    return [rng.normal(0, np.sqrt(2 / a), (a, b)) for a, b in pairwise(sizes)]


def _epochs(images: np.ndarray) -> int:
    """Epochs of about 700 steps of 64 images in all: seconds, however many images there are."""
    return max(4, round(700 * 64 / len(images)))
