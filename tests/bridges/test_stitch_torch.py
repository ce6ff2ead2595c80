"""A torch head behind a bridge: which widths fit, what it sees, and what moves with it."""

import sys

import numpy as np
import pytest
import torch
from torch import nn

from isthmus.bridges import Affine, Orthogonal
from isthmus.bridges.bridge import Bridge
from isthmus.bridges.fitting import fit
from isthmus.bridges.stitch_torch import is_module, stitched_module
from isthmus.core.errors import InputError


class Double(nn.Module):
    def forward(self, x, *, by=1.0):
        return 2 * by * x


class Curved:
    def transform(self, x):
        return x[:, :2].double() ** 2

    def encode_source(self, x):
        return torch.cat([x, x[:, :1] + 7], dim=1)


def stitched(head, bridge, *, source=3, given=2, codes=False):
    return stitched_module(head, bridge, source=source, given=given, codes=codes)


def affine(far=0.0):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3)) + far
    return x, Affine().fit(x, x @ rng.normal(size=(3, 2)) + rng.normal(size=2))


def test_a_module_is_one_of_torchs_and_nothing_is_one_without_torch(monkeypatch):
    assert is_module(head := nn.Linear(2, 1))
    assert not any(map(is_module, (nn.Linear, torch.zeros(2), None, "head", np.argmax)))
    monkeypatch.delitem(sys.modules, "torch")
    assert not is_module(head)


def test_a_first_layer_of_another_width_is_refused():
    line = nn.Linear(5, 2)
    inner = nn.Sequential(nn.Dropout(), nn.Tanh(), line)
    for head in (line, nn.Sequential(line, nn.Linear(2, 7)), inner, nn.Sequential(inner, line)):
        assert stitched(head, Curved(), given=5).head is head
        for codes, what in ((False, "vectors"), (True, "codes")):
            with pytest.raises(InputError, match=f"stitch: .* for 5 dims on .* gives {what} of 2"):
                stitched(head, Curved(), codes=codes)


def test_a_head_that_does_not_tell_its_width_or_may_change_it_is_not_judged():
    unclear = (nn.Flatten(), nn.LayerNorm(2), nn.Sequential())
    heads = [nn.Sequential(layer, nn.Linear(5, 2)) for layer in unclear]
    for head in (*heads, nn.LazyLinear(3), nn.Sequential(), Double()):
        assert stitched(head, Curved()).head is head


@pytest.mark.parametrize("far", [0.0, 5000.0])
def test_what_the_head_sees_of_a_linear_bridge_is_its_translation(far):
    x, bridge = affine(far)
    assert bridge.origin_.any() == (far > 0)
    seen = np.full((40, 2), bridge.intercept_)
    for i, j, k in np.ndindex(40, 2, 3):
        seen[i, j] += (x[i, k] - bridge.origin_[k]) * bridge.coef_[k, j]
    head = nn.Linear(2, 3).double()
    found, expected = stitched(head, bridge)(torch.tensor(x)), head(torch.tensor(seen))
    torch.testing.assert_close(found, expected, atol=1e-10, rtol=0)
    narrow = stitched(nn.Linear(2, 3), bridge).translate(torch.tensor(x).float())
    expected = torch.tensor(seen).float()
    torch.testing.assert_close(narrow, expected, atol=5e-3 if far else 1e-5, rtol=0)


@pytest.mark.parametrize("shape", [(3,), (1, 3), (5, 3), (2, 4, 3)])
def test_leading_dims_stay_whatever_the_bridge(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    curved, coded = stitched(Double(), Curved()), stitched(Double(), Curved(), codes=True, given=4)
    linear = stitched(Double(), affine()[1])
    assert (linear(x).shape, linear(x).dtype) == ((*shape[:-1], 2), torch.float32)
    torch.testing.assert_close(curved(x), 2 * x[..., :2] ** 2)
    torch.testing.assert_close(coded(x), 2 * torch.cat([x, x[..., :1] + 7], dim=-1))
    torch.testing.assert_close(curved(x, by=3.0), 3 * curved(x))


@pytest.mark.parametrize("shape", [(4,), (3, 2), (3, 1)])
def test_vectors_of_another_width_are_refused(shape):
    for bridge in (affine()[1], Curved()):
        with pytest.raises(InputError, match=rf"stitched module: .*{shape[-1]}.*\(\.\.\., 3\)"):
            stitched(Double(), bridge)(torch.zeros(shape))


def test_one_column_leads_to_one_column():
    x = np.arange(5.0)[:, None]
    module = stitched(Double(), Orthogonal().fit(x, 1 - x), source=1, given=1)
    torch.testing.assert_close(module(torch.tensor([[2.0], [0.5]])), torch.tensor([[-2.0], [1.0]]))


def test_a_bridge_with_its_spaces_does_what_its_map_does(turned):
    x, y, _ = turned
    whole = fit(x, y, method="affine")
    module = stitched(Double(), whole, source=6, given=6)
    assert isinstance(whole, Bridge)
    np.testing.assert_allclose(module(torch.tensor(x)), 2 * whole.transform(x), atol=1e-5)


def test_the_bridge_moves_with_the_head_but_is_no_part_of_what_is_learnt_or_saved():
    x, bridge = affine()
    module = stitched(nn.Linear(2, 1), bridge)
    assert {name for name, _ in module.named_parameters()} == {"head.weight", "head.bias"}
    assert set(module.state_dict()) == {"head.weight", "head.bias"}
    module(torch.tensor(x).float()).sum().backward()
    assert module.head.weight.grad.abs().min() > 0
    module.to("meta")
    assert {kept.device.type for kept in (module.coef, module.intercept, module.origin)} == {"meta"}


def test_whole_numbers_are_vectors_too():
    module, whole = stitched(nn.Identity(), affine()[1]), torch.tensor([[1, -2, 3]])
    assert torch.equal(module(whole), module(whole.float()))


@pytest.mark.parametrize("bridge", [affine()[1], Curved()])
def test_no_rows_lead_to_no_rows(bridge):
    assert stitched(nn.Identity(), bridge)(torch.zeros(2, 0, 3)).shape == (2, 0, 2)
