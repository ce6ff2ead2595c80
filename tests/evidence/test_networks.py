import numpy as np
import pytest

from isthmus.core.errors import InputError
from isthmus.evidence.corpora import digits
from isthmus.evidence.networks import autoencoder, classifier, hidden


@pytest.fixture(scope="module")
def images():
    return digits()[0][:300]


def test_hidden_layers_lead_to_the_networks_own_output(images):
    network = autoencoder(images, epochs=3)
    last = hidden(network, images, layer=3)
    output = last @ network.coefs_[-1] + network.intercepts_[-1]
    np.testing.assert_allclose(output, network.predict(images), atol=1e-12)
    wrong = hidden(network, images, layer=2)[:, :1] @ network.coefs_[-1][:1]
    assert not np.allclose(wrong, network.predict(images))


def test_classifiers_hidden_layers_lead_to_its_labels(images):
    labels = digits()[1][:300]
    network = classifier(images, labels, epochs=20)
    logits = hidden(network, images, layer=2) @ network.coefs_[-1] + network.intercepts_[-1]
    assert (network.classes_[logits.argmax(axis=1)] == network.predict(images)).all()
    assert (network.predict(images) == labels).mean() > 0.8


def test_training_depends_on_the_seed_and_on_nothing_else(images):
    codes = [hidden(autoencoder(images, epochs=2, seed=s), images, layer=2) for s in (1, 1, 2)]
    np.testing.assert_array_equal(codes[0], codes[1])
    assert not np.allclose(codes[0], codes[2])


def test_autoencoder_learns(images):
    short, long = (autoencoder(images, epochs=e).predict(images) for e in (1, 40))
    assert np.square(long - images).mean() < 0.3 * np.square(short - images).mean()


@pytest.mark.parametrize("layer", [0, 4])
def test_no_such_layer(images, layer):
    with pytest.raises(InputError, match="from 1 to 3"):
        hidden(autoencoder(images, epochs=1), images, layer=layer)


def test_unknown_activation(images):
    network = autoencoder(images, epochs=1)
    network.activation = "logistic"
    with pytest.raises(InputError, match="logistic"):
        hidden(network, images, layer=1)
