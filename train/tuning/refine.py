"""Optimised time steps, refined by how real their pictures look: by how far the features of the pictures lie from those
of data.

With few steps the pictures that come nearest to a teacher's are not the best ones: a chain may leave out details that
no teacher would (docs/log.md has numbers). Watson et al. 2022 ("Learning Fast Samplers for Diffusion Models by
Differentiating Through Sample Quality") lower the kernel distance by its gradient. Here one time after another is
moved, and stays where the distance falls: that needs no gradient of the chain, and few images.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ddpm_core import Model, NoiseSchedule, sample
from ddpm_core.few_steps.optimised import Times, moves
from ddpm_core.names import Sampler
from train.evaluate.features import Extractor, Reference, score
from train.evaluate.metrics import ScoreName

REACHES = (1 / 3, 1 / 6)  # shares of the way to a neighbour: all times are moved by the first, then by the second
SEEDS_FROM = 10**6  # the usual seeds are left for scores
BATCH = 100


class Judge:
    """The distance between the features of a chain's pictures and those of data; smaller is better.

    metric: "kid", the kernel distance × 1000, or "fid", the Fréchet distance. images: how many pictures it looks at,
    the same seeds for every chain, so that two chains can be compared although the distance itself is noisy; of a
    class-conditional model, all classes in turn. report(evaluations of the network)
    """

    def __init__(
        self,
        model: Model,
        extractor: Extractor,
        data: Reference,
        metric: ScoreName,
        images: int,
        report: Callable[[int], object],
    ):
        self._model, self._extractor, self._data, self._report = model, extractor, data, report
        self._metric: ScoreName = metric
        self._seeds = range(SEEDS_FROM, SEEDS_FROM + images)
        self._known: dict[tuple[Sampler, Times], float] = {}

    def __call__(self, sampler: Sampler, chain: Times) -> float:
        if (sampler, chain) not in self._known:
            self._known[sampler, chain] = self._distance(sampler, chain)
        return self._known[sampler, chain]

    def _distance(self, sampler: Sampler, chain: Times) -> float:
        model, parts = replace(self._model, optimised={sampler: {len(chain): chain}}), []
        for i in range(0, len(self._seeds), BATCH):
            seeds = self._seeds[i : i + BATCH]
            labels = [seed % model.num_classes for seed in seeds] if model.num_classes else None
            images = sample(model, seeds, len(chain), sampler=sampler, spacing="optimised", labels=labels)
            parts.append(self._extractor(images)["features"])
            self._report(len(seeds) * len(chain))
        return score(self._metric, {"features": np.concatenate(parts)}, self._data)["value"]


def refine(
    distance: Callable[[Sampler, Times], float], schedule: NoiseSchedule, sampler: Sampler, chains: Sequence[Times]
) -> tuple[Times, float]:
    """The best of several chains of n steps, after its times were moved, and its distance."""
    least, best = min((distance(sampler, chain), chain) for chain in chains)
    for reach in REACHES:
        for i in range(len(best)):
            for moved in moves(schedule, best, i, reach):
                if (found := distance(sampler, moved)) < least:
                    least, best = found, moved
    return best, least


def most_chains(n: int, starts: int) -> int:
    """Return how many chains of n steps a refinement judges at most, if it starts from `starts` of them."""
    return starts + 2 * n * len(REACHES)
