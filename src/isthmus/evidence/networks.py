"""Small networks trained apart on the same images, and their hidden layers computed in NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np

from isthmus.core.errors import InputError

_ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0.0),
    "tanh": np.tanh,
}


def hidden(network: Any, x: np.ndarray, *, layer: int) -> np.ndarray:
    """Activations (n, units) of a fitted scikit-learn MLP's hidden layer; layer 1 is the first.

    ``h_0 = x``, ``h_l = activation(h_{l-1} W_l + b_l)``.

    Raises
    ------
    InputError
        When the network has no such hidden layer, or an activation unknown here.

    Examples
    --------
    >>> from types import SimpleNamespace as Network
    >>> eye = np.eye(2)
    >>> net = Network(coefs_=[eye, eye], intercepts_=[np.ones(2), np.ones(2)], activation="relu")
    >>> hidden(net, np.array([[1.0, -5.0]]), layer=1)
    array([[2., 0.]])
    """
    depth = len(network.coefs_) - 1
    if not 1 <= layer <= depth:
        raise InputError("hidden", f"layer {layer}", f"a hidden layer from 1 to {depth}")
    if network.activation not in _ACTIVATIONS:
        raise InputError("hidden", f"activation {network.activation!r}", f"{list(_ACTIVATIONS)}")
    activation = _ACTIVATIONS[network.activation]
    h = np.asarray(x, dtype=np.float64)
    for weights, bias in zip(network.coefs_[:layer], network.intercepts_[:layer], strict=True):
        h = activation(h @ weights + bias)
    return h


def classifier(
    x: np.ndarray,
    labels: np.ndarray,
    *,
    layers: tuple[int, ...] = (64, 32),
    epochs: int = 60,
    seed: int = 0,
) -> Any:
    """An MLP with relu units fitted to ``labels`` (n,) from ``x`` (n, d), ``seed`` its only chance.

    Examples
    --------
    >>> x = np.array([[0.0, 1.0], [1.0, 0.0]] * 20)
    >>> net = classifier(x, np.array([0, 1] * 20), layers=(4,), epochs=2)
    >>> hidden(net, x, layer=1).shape
    (40, 4)
    """
    from sklearn.neural_network import MLPClassifier

    network = MLPClassifier(
        hidden_layer_sizes=layers,
        activation="relu",
        max_iter=epochs,
        batch_size=min(64, len(x)),
        learning_rate_init=2e-3,
        random_state=seed,
    )
    return _fitted(network, x, labels)


def autoencoder(
    x: np.ndarray,
    *,
    layers: tuple[int, ...] = (128, 32, 128),
    epochs: int = 60,
    seed: int = 0,
) -> Any:
    """An MLP with tanh units fitted to give ``x`` (n, d) back; its codes are its middle layer.

    Examples
    --------
    >>> x = np.random.default_rng(0).random((40, 6))
    >>> hidden(autoencoder(x, layers=(8, 3, 8), epochs=2), x, layer=2).shape
    (40, 3)
    """
    from sklearn.neural_network import MLPRegressor

    network = MLPRegressor(
        hidden_layer_sizes=layers,
        activation="tanh",
        max_iter=epochs,
        batch_size=min(64, len(x)),
        learning_rate_init=2e-3,
        random_state=seed,
    )
    return _fitted(network, x, x)


def _fitted(network: Any, x: np.ndarray, y: np.ndarray) -> Any:
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # A fixed number of epochs is the design here, not a failure to converge.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return network.fit(x, y)
