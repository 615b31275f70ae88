"""The configuration of a run whose network is not that of a denoiser on data: what no flag of it decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tyro.conf import Suppress

from ddpm_core.names import OwnVariance, Prediction
from train.common.config import Config, Loss, PresetName


@dataclass(frozen=True)
class Derived(Config):
    """The base of other commands' configurations: these fields are no flags of theirs."""

    config: Suppress[PresetName] = "cifar10"
    init: Suppress[str | None] = None
    channels: Suppress[int | None] = None
    conditional: Suppress[bool] = False
    label_dropout: Suppress[float] = 0.1
    widths: Suppress[tuple[int, ...]] = (64,)
    blocks: Suppress[int] = 2
    attention: Suppress[tuple[int, ...]] = ()
    norm_groups: Suppress[int] = 1
    dropout: Suppress[float] = 0.0
    captions: Suppress[bool] = False
    decoder: Suppress[str | None] = None
    text: Suppress[str | None] = None
    text_width: Suppress[int] = 192
    text_layers: Suppress[int] = 3
    text_length: Suppress[int] = 20
    text_rate: Suppress[float] = 0.25
    token_rate: Suppress[float] = 3.0
    T: Suppress[int] = 1000
    schedule: Suppress[Literal["linear", "cosine", "quadratic"]] = "linear"
    beta_start: Suppress[float] = 1e-4
    beta_end: Suppress[float] = 0.02
    prediction: Suppress[Prediction] = "epsilon"
    loss: Suppress[Loss] = "simple"
    variance: Suppress[OwnVariance] = "beta"
    times: Suppress[Literal["uniform", "lognormal"]] = "uniform"
    log_sigma_mean: Suppress[float] = -1.2
    log_sigma_std: Suppress[float] = 1.2
    min_snr: Suppress[float | None] = None
    sample_steps: Suppress[int] = 1
