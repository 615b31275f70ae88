"""Muon against the singular value decomposition, torch's own Muon (matrices only) and torch's AdamW."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from train.fit.optimisers import Muon, orthogonal


@settings(deadline=None, max_examples=30)
@given(rows=st.integers(1, 40), columns=st.integers(1, 40), scale=st.floats(-6, 6), seed=st.integers(0, 2**32))
def test_orthogonal_keeps_the_singular_vectors_and_levels_the_values(rows, columns, scale, seed):
    random = torch.Generator().manual_seed(seed)
    rank = min(rows, columns)
    left, _ = torch.linalg.qr(torch.randn(rows, rank, generator=random, dtype=torch.float64))
    right, _ = torch.linalg.qr(torch.randn(columns, rank, generator=random, dtype=torch.float64))
    values = 10**scale * (0.1 + torch.rand(rank, generator=random, dtype=torch.float64))
    found = left.T @ orthogonal((left * values @ right.T)[None])[0] @ right
    assert (found - found.diag().diag()).abs().max() < 1e-9
    assert found.diag().min() > 0.6 and found.diag().max() < 1.25


def test_bfloat16_is_exact_enough():
    matrices = torch.randn(2, 24, 90, generator=torch.Generator().manual_seed(0))
    exact = orthogonal(matrices.double())
    assert (orthogonal(matrices) - exact).norm() < 0.05 * exact.norm()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv_in = nn.Conv2d(3, 4, 3)
        self.middle = nn.Conv2d(4, 6, 3, bias=False)
        self.embedding = nn.Linear(4, 4)
        self.linear = nn.Linear(6, 5, bias=False)
        self.norm = nn.GroupNorm(2, 4)


def pair() -> tuple[Net, Net]:
    torch.manual_seed(0)
    one, other = Net(), Net()
    other.load_state_dict(one.state_dict())
    return one, other


def give_gradients(*networks: nn.Module) -> None:
    for parameters in zip(*(network.parameters() for network in networks), strict=True):
        gradient = torch.randn_like(parameters[0])
        for parameter in parameters:
            parameter.grad = gradient.clone()


def test_ends_embeddings_biases_and_norms_move_as_with_torchs_adamw():
    ours, theirs = pair()
    rest = [name for name, _ in ours.named_parameters() if name not in ("middle.weight", "linear.weight")]
    peer = torch.optim.AdamW([theirs.get_parameter(name) for name in rest], lr=0.01, weight_decay=0.1)
    optimizer = Muon(ours, lr=0.01, weight_decay=0.1)
    for _ in range(4):
        give_gradients(ours, theirs)
        optimizer.step()
        peer.step()
    for name in rest:
        assert torch.allclose(ours.get_parameter(name), theirs.get_parameter(name), atol=1e-6), name


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch.optim.Muon came with torch 2.9")
def test_matrices_and_kernels_move_as_with_torchs_muon():
    ours, theirs = pair()
    names = ["middle.weight", "linear.weight"]
    matrices = {name: nn.Parameter(theirs.get_parameter(name).detach().flatten(1)) for name in names}
    peer = torch.optim.Muon(matrices.values(), lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    optimizer = Muon(ours, lr=0.01, weight_decay=0.1)
    start = {name: matrix.detach().clone() for name, matrix in matrices.items()}
    for _ in range(4):
        give_gradients(ours, theirs)
        for name, matrix in matrices.items():
            matrix.grad = theirs.get_parameter(name).grad.flatten(1)
        optimizer.step()
        peer.step()
    for name, matrix in matrices.items():
        moved = (matrix - start[name]).norm()
        apart = (ours.get_parameter(name).flatten(1) - matrix).norm()
        assert moved > 0.01 and apart < 0.08 * moved, name  # bfloat16 on either side
