"""Hostile files, a part of what tests/soak tries: refused in one sentence, and never run."""

import pickle
import random

import pipelines
import pytest
from soak.hostile import checkpoints
from soak.hostile.case import Case
from soak.hostile.reader import Outcome, judged, read

from ddpm_core import load, save


def resaved(write):
    """What a pipeline wrote, as we write it: all at the root, with ddpm_core.json."""

    def written(folder):
        write(folder.parent / "theirs")
        save(load(folder.parent / "theirs", device="cpu", precision="fp32", engine="torch"), folder)

    return written


KINDS = {
    "DDPM": checkpoints.write_checkpoint,
    "score": resaved(pipelines.score),
    "consistency": resaved(pipelines.consistency),
}


@pytest.fixture(scope="module", params=KINDS)
def checkpoint(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile") / "good"
    KINDS[request.param](folder)
    assert read(Case("good", folder)) == ""
    return folder


def tried(cases):
    for case in cases:
        sentence = read(case)  # any other error comes out
        assert judged(case, Outcome(sentence, 0, 0)) == "", case


# Weights are read in one way, whatever network they are for.
ONE_KIND = pytest.mark.parametrize("checkpoint", ["DDPM"], indirect=True)


@ONE_KIND
@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_pickles_are_refused_and_not_run(checkpoint, tmp_path):
    mark = tmp_path / "executed"
    tried(checkpoints.pickle_cases(checkpoint, tmp_path, mark))
    assert not mark.exists()
    pickle.loads(pickle.dumps(checkpoints.Evil(mark)))
    assert mark.exists()  # else this test could not fail


@ONE_KIND
def test_headers_that_lie_and_odd_archives_are_refused(checkpoint, tmp_path):
    tried(checkpoints.safetensors_cases(checkpoint, tmp_path))
    tried(checkpoints.zip_cases(checkpoint, tmp_path / "zip", heavy=False))


def test_weights_that_are_damaged_are_refused_or_read_as_they_are(checkpoint, tmp_path):
    tried(checkpoints.damaged_cases(checkpoint, tmp_path, 12, seed=1))


def test_odd_values_in_any_field_are_one_sentence(checkpoint, tmp_path):
    """Of each field another one, as each is a folder; and a name that is too long to be repeated."""
    some = random.Random(3)
    tried(checkpoints.odd_values(checkpoint, tmp_path / "odd", lambda _: some.sample(checkpoints.ODD_VALUES, 1)))
    long = {"beta_schedule": ["x" * 10**6]}
    tried(checkpoints.odd_values(checkpoint, tmp_path / "long", lambda field: long.get(field, [])))
