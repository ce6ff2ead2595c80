import numpy as np
import pytest
import torch

from isthmus.core.errors import InputError
from isthmus.evidence import transformers
from isthmus.evidence.transformers import (
    CONTEXT,
    LAYERS,
    VOCABULARY,
    WIDTH,
    encode,
    held_out,
    hidden_states,
    prompt_losses,
    trained,
)


@pytest.fixture(autouse=True)
def few_documents(monkeypatch):
    rng = np.random.default_rng(0)
    codes = tuple(np.tile(rng.integers(1, VOCABULARY, size=7), 20) for _ in range(60))
    names = tuple(f"m.f{i}" for i in range(60))
    monkeypatch.setattr(transformers, "documents", lambda: (names, codes))
    trained.cache_clear()
    yield
    trained.cache_clear()


def batch(seed=0):
    return held_out(4, seed=seed)[1]


def test_codes_are_printable_ascii():
    assert encode("".join(map(chr, range(32, 127)))).tolist() == list(range(1, 96))
    assert encode("é\n").tolist() == encode("??").tolist()
    assert VOCABULARY < 100


def test_a_decoder_and_a_convolution_look_back_only():
    codes = batch()
    later = codes.copy()
    later[:, 40:] = 1
    for kind, blind in (("decoder", True), ("convolution", True), ("encoder", False)):
        model = trained(kind, 0, steps=2).model()
        one, two = hidden_states(model, codes), hidden_states(model, later)
        assert one.shape == (LAYERS + 1, 4, CONTEXT, WIDTH)
        assert np.allclose(one[:, :, :40], two[:, :, :40], atol=1e-6) == blind
        assert not np.allclose(one[:, :, 40:], two[:, :, 40:], atol=1e-3)


def test_equal_size():
    count = {
        kind: sum(p.numel() for p in trained(kind, 0, steps=1).model().parameters())
        for kind in transformers.KINDS
    }
    assert count["decoder"] == count["encoder"]
    assert count["convolution"] == pytest.approx(count["decoder"], rel=0.01)


def test_training_learns_and_depends_on_the_seed_alone():
    one = trained("decoder", 3, steps=30)
    assert one.losses[-3:].mean() < one.losses[:3].mean() - 0.5
    assert prompt_losses(one.model(), batch()).mean() < prompt_losses(one.model(0), batch()).mean()
    torch.manual_seed(1)
    state = torch.get_rng_state()
    trained.cache_clear()
    again = trained("decoder", 3, steps=30)
    assert np.array_equal(one.losses, again.losses)
    assert torch.equal(state, torch.get_rng_state())
    assert not np.array_equal(one.losses, trained("decoder", 4, steps=30).losses)
    assert trained("decoder", 3, steps=30) is again


def test_checkpoints_are_the_weights_of_their_step():
    run = trained("encoder", 0, steps=20)
    assert sorted(run.checkpoints)[0] == 0
    assert max(run.checkpoints) == 20
    first, last = (hidden_states(run.model(step), batch())[-1] for step in (0, 20))
    assert not np.allclose(first, last, atol=1e-2)
    with pytest.raises(InputError, match="checkpoint"):
        run.model(3)


def test_losses_are_cross_entropies_by_hand():
    model, codes = trained("decoder", 0, steps=5).model(), batch()
    with torch.no_grad():
        logits = model(torch.from_numpy(codes)).numpy().astype(np.float64)
    logs = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    by_hand = -np.take_along_axis(logs[:, :-1], codes[:, 1:, None], axis=-1)[..., 0].mean(axis=1)
    assert prompt_losses(model, codes) == pytest.approx(by_hand, abs=1e-5)


def test_held_out_texts_are_not_trained_on():
    names, codes = held_out(12, seed=0)
    assert all(int(name[3:]) % 5 == 0 for name in names)
    assert codes.shape == (12, CONTEXT)
    assert not np.array_equal(codes, held_out(12, seed=1)[1])
    known = transformers.documents()[1]
    for name, row in zip(names, codes, strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(known[int(name[3:])], CONTEXT)
        assert (windows == row).all(axis=1).any()
    with pytest.raises(InputError, match="decoder, encoder, convolution"):
        trained("recurrent", 0)


def test_directions_are_nearly_orthogonal():
    gradient = torch.randn(8, 24, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(transformers._direction(gradient))
    assert 0.6 < float(values.min()) <= float(values.max()) < 1.3
    kernel = gradient.reshape(8, 6, 4)
    flat = transformers._direction(kernel).reshape(8, 24)
    assert torch.allclose(flat, transformers._direction(gradient))
