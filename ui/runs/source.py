"""Where runs get their models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from ddpm_core.model import Model, ModelSpec
from ui.runs.limits import ServerLimits
from ui.runs.settings import Settings


class ModelSource(Protocol):
    """`ui.runs.models.Models`, which says more of each method."""

    def loaded(self, ref: str) -> Model | None: ...

    def known(self, ref: str) -> ModelSpec | None: ...

    def fetch(self, ref: str, progress: Any) -> None: ...

    def get(self, ref: str) -> Model: ...

    def admit(self, lanes: Sequence[Settings]) -> None: ...

    def flop(self, ref: str) -> float | None: ...

    @property
    def limits(self) -> ServerLimits: ...
