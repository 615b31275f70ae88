"""Runs that take turns: the same pictures as alone, and their time is that of their own turns."""

import weakref
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import toylab
from test_jobs import LINE, PACE, SETTINGS, Job, collect, in_background
from toylab import Models, wait_for

import ddpm_core
from ui.machine import turns
from ui.machine.step_times import StepKind
from ui.models.borrowed import Changed
from ui.parts.sampling import Frame
from ui.runs import jobs

LONG = replace(SETTINGS, steps=40)


@pytest.fixture(autouse=True)
def short_turns(monkeypatch):
    """A turn is over after every step, and nothing is left in the line."""
    monkeypatch.setattr(turns, "SLICE", 0.0)
    yield
    wait_for(lambda: len(LINE) == 0)


def blurred(x, t, labels):
    return 0.3 * x + 0.1 * x.roll(1, -1)


def shown(updates):
    return [result for update in updates for result in update.results if isinstance(result, Frame)]


def together(*runs):
    """Runs that begin at the same time: the updates of each."""
    with LINE.turn(Job([SETTINGS], Models())):
        running = [in_background(job) for job in runs]
        # Each has asked for a turn: on a busy machine the first one would else be done before the others come.
        wait_for(lambda: all(seen and seen[-1].status for seen, _ in running))
    for _, thread in running:
        thread.join(20)
        assert not thread.is_alive()
    return [seen for seen, _ in running]


def test_a_seeds_pictures_are_the_same_whoever_takes_turns_with_it(monkeypatch):
    """Different models, samplers, numbers of images, two lanes; a turn after every step."""
    monkeypatch.setattr(LINE, "clock", lambda: 0.0)  # nobody has computed longer than another
    order = []

    def noted(name, network):
        return lambda x, t, labels: order.append(name) or network(x, t, labels)

    first, second = Models(noted("a", blurred)), Models(noted("b", lambda x, t, labels: 0.1 * x), size=4)
    runs = [
        ([replace(LONG, seed=7)], first),
        ([replace(LONG, seed=7, steps=25, sampler="ddim", eta=0.5)], second),
        ([replace(LONG, variance="beta", count=1), replace(LONG, steps=11, count=1)], second),
        ([replace(LONG, seed=8, count=3)], first),
    ]
    alone = [collect(Job(*run))[1] for run in runs]
    order.clear()
    seen = together(*(Job(*run) for run in runs))
    assert sum(here != there for here, there in pairwise(order)) > 10  # they did take turns
    for updates, expected in zip(seen, alone, strict=True):
        assert updates[-1].state == "finished"
        frames = shown(updates)
        assert [(frame.lane, frame.k) for frame in frames] == [(frame.lane, frame.k) for frame in expected]
        for frame, other in zip(frames, expected, strict=True):
            np.testing.assert_array_equal(frame.x, other.x)
            np.testing.assert_array_equal(frame.x0_hat, other.x0_hat)


def test_the_pace_is_that_of_computing_not_of_waiting(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(LINE, "clock", lambda: now[0])

    def lasting(seconds):
        def network(x, t, labels):
            now[0] += seconds
            return 0.3 * x

        return Models(network)

    slow, quick = (replace(LONG, checkpoint=name, steps=10) for name in ("slow", "quick"))
    together(Job([slow], lasting(60)), Job([quick], lasting(1)))
    assert PACE.seconds(StepKind("quick", 2)) == pytest.approx(1)
    assert PACE.seconds(StepKind("slow", 2)) == pytest.approx(60)
    PACE.forget("quick")
    PACE.forget("slow")


def test_the_limit_on_a_runs_time_counts_its_own_turns_only(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(LINE, "clock", lambda: now[0])

    def a_second(x, t, labels):
        now[0] += 1
        return 0.3 * x

    def limited(seconds):
        services = toylab.toy_services(Models(a_second), LINE, PACE, run_seconds=seconds)
        return jobs.Job(toylab.sampling(services, LONG), services)

    for seen in together(limited(50), limited(50)):
        assert seen[-1].state == "finished"
    assert now[0] == 80
    (*_, last) = limited(30).updates()
    assert (last.state, last.text[:46]) == ("error", "The run was stopped after 31 s of computing: t")


# --- Networks that are lent


class Forgetful(Models):
    """Keeps a model in memory only while somebody uses it."""

    def __init__(self, **options):
        super().__init__(**options)
        self._spec, self._weak, self.loads = vars(self.model), lambda: None, 0
        del self.model

    def loaded(self, ref):
        return self._weak()

    def known(self, ref):
        return ddpm_core.Model(**self._spec)

    def get(self, ref):
        model = self._weak()
        if model is None:
            self.loads += 1
            model = ddpm_core.Model(**self._spec)
            self._weak = weakref.ref(model)
        return model


class Part:
    """A decoder and a text encoder."""

    def decode(self, x):
        return 2 * x

    def __call__(self, prompts):
        return list(prompts)

    words = unknown = __call__


def test_a_run_that_waits_keeps_no_model_in_memory():
    models = Forgetful()
    models._spec |= {"decoder": Part(), "text": Part()}
    model, network = models.lend("toy")
    assert network.description == "toy" and model.image_size == 8
    assert model.decoder.decode(3) == 6 and model.text("ab") == ["a", "b"]
    network.give_back()
    assert models.loaded("toy") is None  # with all its parts
    assert network.hold() and models.loads == 2
    assert model.decoder.decode(3) == 6


def test_a_model_that_made_room_is_loaded_again_and_the_pictures_are_the_same():
    alone = collect(Job([LONG], Models()))[1]
    models = Forgetful()
    seen, _ = together(Job([LONG], models), Job([LONG], Models()))
    assert models.loads >= 2  # how often depends on the machine
    frames = shown(seen)
    assert len(frames) == len(alone)
    for frame, other in zip(frames, alone, strict=True):
        np.testing.assert_array_equal(frame.x, other.x)


def test_who_is_stopped_while_it_waits_takes_the_network_from_nobody():
    """Both runs have the same model, and one of them its turn."""
    models, alone = Models(), collect(Job([LONG], Models()))[1]
    stopped, other = Job([replace(LONG, steps=100)], models), Job([LONG], models)
    count = other.count

    def stops_the_other(*more, **named):
        count(*more, **named)
        stopped.stop()

    other.count = stops_the_other
    of_stopped, of_other = together(stopped, other)
    assert of_stopped[-1].state == "stopped" and of_other[-1].state == "finished", of_other[-1].text
    for frame, expected in zip(shown(of_other), alone, strict=True):
        np.testing.assert_array_equal(frame.x, expected.x)


def test_a_model_whose_files_changed_meanwhile_does_not_go_on(tmp_path):
    weights = tmp_path / "weights"
    weights.write_bytes(b"1")
    models = Forgetful()
    models._spec["source"] = ddpm_core.model.Source("toy", file="weights", folder=tmp_path)
    _, network = models.lend("toy")
    network.give_back()
    weights.write_bytes(b"22")
    with pytest.raises(Changed, match="the files of toy have changed during the run"):
        network.hold()
