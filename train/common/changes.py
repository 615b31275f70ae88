"""The fields of `Config` that `train.preset` and `train.resume` may change, with types for editors.

A test compares this list with `Config`; with DDPM_WRITE_CHANGES=1 the test rewrites the list. The types are those that
a program may pass. `convert_fields` turns such values into the types of `Config`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any, Literal, Protocol, TypedDict


class Indexable(Protocol):
    """A data set whose items have indices, such as PyTorch's."""

    def __getitem__(self, index: Any, /) -> Any:
        """Return an item."""


Data = str | PathLike[str] | Iterable[Any] | Indexable


class Changes(TypedDict, total=False):
    """Fields of `Config` except `out`; `python -m train fit --help` explains each field."""

    data: Data
    init: str | PathLike[str] | None
    seed: int
    split: str | PathLike[str]
    data_cache: str | PathLike[str] | None
    image_size: int
    channels: int | None
    flip: bool
    conditional: bool
    label_dropout: float
    captions: bool
    decoder: str | PathLike[str] | None
    memory: float
    workers: int
    widths: Sequence[int]
    blocks: int
    attention: Sequence[int]
    norm_groups: int
    dropout: float
    text: str | PathLike[str] | None
    text_width: int
    text_layers: int
    text_length: int
    text_rate: float
    token_rate: float
    T: int
    schedule: Literal["linear", "cosine", "quadratic", "flow"] | str | PathLike[str]
    beta_start: float
    beta_end: float
    prediction: Literal["epsilon", "x0", "v", "mu", "flow"]
    flow_time: float
    loss: Literal["simple", "vlb", "hybrid"]
    variance: Literal["beta", "beta_tilde", "learned", "learned_range"]
    times: Literal["uniform", "lognormal"]
    log_sigma_mean: float
    log_sigma_std: float
    min_snr: float | None
    loss_weight: str | PathLike[str] | None
    steps: int
    batch: int
    accumulate: int
    optimizer: Literal["adam", "adamw", "muon"]
    lr: float
    weight_decay: float
    warmup: int
    lr_decay: Literal["none", "cosine", "linear"]
    clip: float
    ema: float
    ema2: float | None
    ema_snapshots: int
    device: Literal["auto", "cpu", "cuda", "mps"]
    precision: Literal["auto", "fp32", "bf16", "fp16", "fp64"]
    channels_last: bool
    compile: bool
    fused: bool
    threads: int | None
    tracker: Literal["auto", "tensorboard", "wandb", "none"]
    log_every: int
    checkpoint_every: int
    sample_every: int
    sample_seconds: float
    sample_count: int
    sample_steps: int


class PresetChanges(Changes, total=False):
    """The fields of `Changes`, and the folder of the run."""

    out: str | PathLike[str]
