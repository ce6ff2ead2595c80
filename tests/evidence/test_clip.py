import numpy as np

from isthmus.evidence import clip
from isthmus.evidence.experiment import seeds_from


def test_a_combination_held_out_is_never_shown():
    rng = np.random.default_rng(0)
    held = np.array([0, 13, 27, 44])
    digit = rng.integers(10, size=500)
    colours = clip.shown(held, digit, rng)
    assert not np.isin(colours * 10 + digit, held).any()
    assert len(np.unique(colours * 10 + digit)) == 96


def test_colours_fill_their_channels():
    image = np.ones((1, 64))
    red = clip.coloured(image, np.array([0]), np.random.default_rng(1)).reshape(3, 64)
    assert red[0].mean() > 0.5
    assert np.abs(red[1:]).mean() < 0.1


def test_bags_of_words():
    one, two, other = clip.text_vectors(["a red seven", "seven red a unheard", "a blue two"])
    np.testing.assert_allclose(one, two)
    assert one @ other < 0.5
    assert len(clip.TEMPLATES) == 8
    assert clip.caption(0, 7, clip.TEMPLATES[1]) == "the digit seven in red"


def test_captions_of_other_images_teach_nothing():
    figures = clip.experiment(seeds_from(3, 2), steps=20, copies=1, truthful=False)
    assert not figures["new"].met
    assert figures["new"].value < 0.1
    assert sum(figure.claimed for figure in figures.values()) == 3
