"""torch-cka: unbiased HSIC of batches of layers; fails on the small batches it may be given."""

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from isthmus.measures import debiased_cka


class Columns(nn.Module):
    """A model with one layer, which shows some columns of its input."""

    def __init__(self, columns):
        super().__init__()
        self.shown, self.columns = nn.Identity(), columns

    def forward(self, rows):
        return self.shown(rows[:, self.columns])


def theirs(x, y, batch):
    from torch_cka import CKA

    data = TensorDataset(torch.asarray(np.hstack([x, y])).float())
    models = Columns(slice(0, 5)), Columns(slice(5, 10))
    found = CKA(*models, model1_layers=["shown"], model2_layers=["shown"], device="cpu")
    found.compare(DataLoader(data, batch_size=batch))
    return float(found.export()["CKA"][0, 0])


def test_one_batch_and_many(compare, oracle, spaces):
    x, y = spaces
    known = {
        "ours": debiased_cka(x, y), "oracle": oracle.debiased_cka(x, y),
        "equation": "Song 2012, eq. 5",
    }  # fmt: skip
    compare.same("debiased_cka", "CKA, one batch", theirs=theirs(x, y, 60), **known)
    batches = [range(start, start + 4) for start in range(0, 60, 4)]
    compare.differs(
        "debiased_cka", "CKA, batches of 4", theirs=theirs(x, y, 4), right="both",
        explained=oracle.minibatch_cka(x, y, batches), tolerance=1e-5,
        why="Batches see only the pairs of rows within them: the same number is estimated from "
        "fewer pairs, and the order of the rows moves it. From moments all pairs cost no more.",
        **known,
    )  # fmt: skip
    compare.fails(
        "debiased_cka", "CKA, batches of 3", lambda: theirs(x, y, 3), ZeroDivisionError,
        why="n (n - 3) of a batch of 3 is 0, and nothing is said about the batch; a last batch of "
        "3 in an epoch is enough.", **known,
    )  # fmt: skip
