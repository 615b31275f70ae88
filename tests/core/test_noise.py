"""The noise of image `seed` at stream `i` depends on those two numbers and nothing else."""

import math

import numpy as np
import pytest
import torch

from ddpm_core.noise import gaussian, gaussian_batch

SHAPE = (3, 8, 8)
PINNED = [
    [0.18170474469661713, -1.2426393032073975, -0.5515530109405518, 0.3664800226688385],
    [1.3714008331298828, -1.225160002708435, 0.3027193546295166, 1.2812377214431763],
]  # seed 42, streams 0 and 1
EDGE = [0, 1, 2**31, 2**32, 2**32 + 1, 2**63 - 1]


@pytest.mark.parametrize("seed", [*EDGE, 42])
@pytest.mark.parametrize("stream", [0, 1, 1000])
def test_it_is_numpys_philox(seed, stream):
    philox = np.random.Philox(key=np.array([seed, stream], dtype=np.uint64))
    expected = np.random.Generator(philox).standard_normal(SHAPE, dtype=np.float32)
    noise = gaussian(seed, stream, SHAPE)
    assert noise.dtype == torch.float32 and noise.device.type == "cpu"
    assert torch.equal(noise, torch.from_numpy(expected))


def test_first_values_are_pinned():
    """Philox and NumPy's float32 ziggurat are stable; a picture seen once is seen again."""
    assert gaussian(42, 0, (4,)).tolist() == PINNED[0]
    assert gaussian(42, 1, (4,)).tolist() == PINNED[1]


def test_seeds_and_streams_all_differ():
    """Also seeds 2^32 apart, which torch's CPU generator takes for one."""
    draws = {tuple(gaussian(seed, stream, (16,)).tolist()) for seed in EDGE for stream in (0, 1, 2)}
    assert len(draws) == len(EDGE) * 3


def test_neighbouring_seeds_and_streams_are_independent():
    n = 20_000
    draws = torch.stack([gaussian(seed, stream, (n,)) for seed in (7, 8) for stream in (0, 1)]).double()
    correlation = torch.corrcoef(draws) - torch.eye(4)
    assert correlation.abs().max() < 5 / math.sqrt(n)


def test_it_is_standard_normal():
    n = 100_000
    x = gaussian(3, 5, (n,)).double()
    moments = torch.stack([x.mean(), x.var() - 1, (x**3).mean(), (x**4).mean() - 3])
    errors = torch.tensor([1, 2, 15, 96]).sqrt() / math.sqrt(n)  # of the mean, variance, third and fourth moments
    assert (moments.abs() < 5 * errors).all()


def test_repeated_and_in_any_batch_it_is_the_same_bits():
    seeds = [5, 0, 2**63 - 1, 9]
    batch = gaussian_batch(seeds, 3, SHAPE)
    assert batch.shape == (4, *SHAPE)
    for image, seed in zip(batch, seeds, strict=True):
        assert torch.equal(image, gaussian(seed, 3, SHAPE))
    assert torch.equal(gaussian_batch(seeds[::-1], 3, SHAPE), batch.flip(0))


def test_torchs_and_numpys_generators_play_no_part():
    torch.manual_seed(0), np.random.seed(0)
    before = gaussian(1, 1, SHAPE)
    state = torch.get_rng_state()
    torch.manual_seed(1), np.random.seed(1)
    assert torch.equal(before, gaussian(1, 1, SHAPE))
    torch.manual_seed(0)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("seed", [np.int64(7), np.uint8(7), torch.tensor(7)])
def test_any_whole_number_type_is_a_seed(seed):
    assert torch.equal(gaussian(seed, 0, SHAPE), gaussian(7, 0, SHAPE))


@pytest.mark.parametrize("seed", [-1, 2**63, 1.0, "1", None, True, math.nan, np.True_])
def test_other_seeds_are_refused_with_the_range(seed):
    with pytest.raises(ValueError, match=r"^[^\n]*0 to 2\^63[^\n]*$"):
        gaussian(seed, 0, SHAPE)
