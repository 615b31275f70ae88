"""What every test has: one thread per worker, and random inputs that are the same in every run."""

import pytest
import torch
from hypothesis import settings

from ddpm_core import engine

torch.set_num_threads(1)
# No deadline: the machine may be busy. Derandomised: a red run can be repeated.
settings.register_profile("seeded", deadline=None, derandomize=True)
settings.load_profile("seeded")


@pytest.fixture
def torch_engine(monkeypatch):
    """Models are loaded as where OpenVINO is not installed: converting a network takes a second."""
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
