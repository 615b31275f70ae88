"""The network, without a browser: its lanes and its looks are the library's, and so is what its script draws."""

import numpy as np
import pytest
import toylab
from PIL import Image
from plans import described
from toylab import results

import ddpm_core
from ui.models.loaded import Models
from ui.parts.network import NetworkPart
from ui.pictures import encoded
from ui.runs.asked import UNCLEAR
from ui.runs.log import size_of

ASKED = {"checkpoint": "mnist-tiny", "label": "3", "seed": "7", "steps": "4"}
WAY = {"steps": 4, "sampler": "ddim", "labels": 3}


@pytest.fixture(scope="module")
def part():
    return NetworkPart(toylab.toy_services(Models("cpu")))


@pytest.fixture(scope="module")
def model():
    return ddpm_core.load("mnist-tiny", device="cpu", engine="torch", precision="fp32")


def frames(part, **values):
    """The first result, and the frames of each lane."""
    _, messages = toylab.messages(part, "network", ASKED | values)
    assert messages[-1]["state"] == "finished", messages[-1]
    (plan,), found = results(messages, "plan"), results(messages, "inside")
    return plan, [[one for one in found if one["lane"] == lane] for lane in {one["lane"] for one in found}]


def same(got, images, most=0):
    gap = np.abs(np.ravel(got).astype(int) - np.ravel(images))
    assert gap.max() <= most


def test_a_run_shows_what_each_block_gives(part, model):
    plan, (whole,) = frames(part, block="up 2")
    opened, readers = ddpm_core.inside(model), ddpm_core.readers(model)
    assert [one["name"] for one in plan["blocks"]] == list(opened.blocks) and plan["skips"] == list(opened.skips)
    for frame, step in zip(whole, ddpm_core.trajectory(opened.model, [7], **WAY), strict=True):
        assert (frame["k"], frame["t"]) == (step.index, step.t)
        same(frame["x"], model.pictures(step.x))
        same(frame["x0"], model.pictures(step.x0_hat))
        for i, (name, tap) in enumerate(opened.taps.items()):
            same(frame["read"][i], model.pictures(readers.read(name, tap, step.t)), 1)
            same(frame["colours"][i], readers.colours(name, tap, step.t), 1)
            assert plan["r2"][name][step.index] == pytest.approx(readers.r2(name, step.t), abs=6e-4)
        channels = opened.taps["up 2"][0].flatten(1)
        assert np.array_equal(channels.argmin(1), frame["channels"].reshape(32, -1).argmin(1))


HEUN = {"sampler": "heun", "S_churn": "2", "spacing": "linspace"}
HEUN_WAY = {"steps": 4, "sampler": "heun", "S_churn": 2.0, "labels": 3}


def test_heun_is_read_at_the_time_of_its_last_evaluation_in_each_step(part, model):
    _, (whole,) = frames(part, **HEUN)
    opened, readers = ddpm_core.inside(model), ddpm_core.readers(model)
    for frame, step in zip(whole, ddpm_core.trajectory(opened.model, [7], **HEUN_WAY), strict=True):
        assert opened.t == step.s or (step.s == 0 and opened.t > step.t)  # the last step has one, after churn
        for i, (name, tap) in enumerate(opened.taps.items()):
            same(frame["read"][i], model.pictures(readers.read(name, tap, opened.t)), 1)
            same(frame["colours"][i], readers.colours(name, tap, opened.t), 1)


def test_heun_is_changed_at_the_times_of_the_changed_steps_and_takes_from_the_same_evaluation(part, model):
    _, (whole, grafted) = frames(part, **HEUN, graft="6", graft_block="middle", first="2", last="3")
    donor, opened, taken = ddpm_core.inside(model), ddpm_core.inside(model), {}
    first, last = whole[1]["t"], whole[3]["t"]
    donor.change("middle", lambda found, t: taken.setdefault(t, found))
    opened.change("middle", lambda found, t: taken[t] if last < t < whole[0]["t"] else found)
    assert first < whole[0]["t"]
    ddpm_core.sample(donor.model, [7], **HEUN_WAY | {"labels": 6})
    same(grafted[-1]["x"], ddpm_core.sample(opened.model, [7], **HEUN_WAY), 1)  # a pixel at the border of two levels
    assert not np.array_equal(grafted[-1]["x"], whole[-1]["x"])


def test_parts_are_off_in_the_steps_that_are_asked_for(part, model):
    _, lanes = frames(part, off="middle, skips 28", first="2", last="3")
    times = {frame["t"] for frame in lanes[0][1:3]}
    opened = ddpm_core.inside(model)
    opened.cut("middle", "skips 28", when=lambda t: t in times)
    same(lanes[0][-1]["x"], ddpm_core.sample(ddpm_core.inside(model).model, [7], **WAY))
    same(lanes[1][-1]["x"], ddpm_core.sample(opened.model, [7], **WAY))
    same(lanes[0][0]["x"], lanes[1][0]["x"])
    assert not np.array_equal(lanes[0][1]["x"], lanes[1][1]["x"])


def test_where_a_place_looks_is_shown_of_both_runs(part, model):
    _, lanes = frames(part, off="time", place="30 75")
    whole, changed = ddpm_core.inside(model), ddpm_core.inside(model)
    changed.cut("time")
    for opened, found in zip((whole, changed), lanes, strict=True):
        opened.look(0.3, 0.75)
        for frame, _ in zip(found, ddpm_core.trajectory(opened.model, [7], **WAY), strict=True):
            assert [look["layer"] for look in frame["looks"]] == list(opened.looks)
            for look, shares in zip(frame["looks"], opened.looks.values(), strict=True):
                same(look["maps"], (255 * shares[0] / shares.max()).round())


def test_a_graft_comes_from_a_run_of_the_same_noise(part, model):
    _, (_, grafted) = frames(part, graft="6", graft_block="up 1")
    donor, opened = ddpm_core.inside(model), ddpm_core.inside(model)
    opened.change("up 1", lambda found, t: donor.taps["up 1"])
    both = zip(
        ddpm_core.trajectory(donor.model, [7], **WAY | {"labels": 6}),
        ddpm_core.trajectory(opened.model, [7], **WAY),
        strict=True,
    )
    for frame, (_, step) in zip(grafted, both, strict=True):
        same(frame["x"], model.pictures(step.x))


@pytest.mark.parametrize(
    "values",
    [
        {"place": "0 99"},
        {"off": "attention, time", "first": "3"},
        {"graft": "6"},
        {"graft": "0", "last": "2", "off": "class"},
        {"graft": "6", "first": "2", "off": "attention", **HEUN},
    ],
)
def test_the_script_draws_the_last_picture(part, model, values, tmp_path, monkeypatch):
    if values.get("off") == "class":
        values = values | {"off": "condition"}
    _, lanes = frames(part, **values)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ddpm_core, "load", lambda ref: model)
    exec(compile(described(part, "network", ASKED | values)["python"], "script", "exec"), {})
    row = np.asarray(Image.open("step-4.png"))
    same(lanes[-1][-1]["x0"], row[:, -28:])
    same(lanes[-1][-1]["read"][3], row[:, 3 * 28 : 4 * 28], 1)
    for look in lanes[-1][-1].get("looks", ()):
        same(look["maps"], Image.open(f"step-4-{look['layer']}.png"))


def test_the_script_of_a_model_without_readers_draws_the_last_guess(part, tmp_path, monkeypatch):
    asked = ASKED | {"checkpoint": "mnist-tiny-2-steps", "steps": 2, "guidance": "1"}
    _, messages = toylab.messages(part, "network", asked)
    (_, last) = results(messages, "inside")
    monkeypatch.chdir(tmp_path)
    exec(compile(described(part, "network", asked)["python"], "script", "exec"), {})
    same(last["x0"], np.asarray(Image.open("step-2.png")), 1)


@pytest.mark.parametrize(
    ("checkpoint", "graft", "said"),
    [
        ("mnist-tiny", "6", "With the middle of a run of “6”, in all steps"),
        ("cifar10-tiny", "6", "With the middle of a run of “frog”, in all steps"),
        ("cifar10-tiny", "any", "With the middle of a run of no class, in all steps"),
    ],
)
def test_a_graft_is_called_by_the_class_that_it_is_of(part, checkpoint, graft, said):
    shown = described(part, "network", ASKED | {"checkpoint": checkpoint, "graft": graft})["shown"]
    assert shown["second"] == said


def test_a_guided_run_takes_a_graft_of_no_class(part):
    frames(part, guidance="2", graft="any")


@pytest.mark.parametrize(
    "values, sentence",
    [
        ({"off": "head"}, "A network has no part 'head': choose such as middle, skips 28, attention, time"),
        ({"place": "30 100"}, "A position is two numbers from 0 to 99, down and right, got '30 100'"),
        ({"block": "head"}, "A network has no block 'head': choose such as down 1, middle, up 1"),
        ({"graft": "12"}, "This checkpoint has no class '12': choose from any, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"),
        ({"graft": "6", "off": "middle"}, "Block middle can't be switched off and grafted at once"),
        (
            {"off": "time", "first": "5"},
            "Steps go from 1 to 4 here, and the first step must not be after the last step",
        ),
        ({"off": "time", "first": "3", "last": "2"}, "Steps go from 1 to 4 here, and the first step must not be"),
        ({"checkpoint": "cifar10-tiny", "graft": "6" * 301}, "The prompt has at most 300 characters, got 301"),
    ],
)
def test_what_can_not_be_is_one_sentence(part, values, sentence):
    assert described(part, "network", ASKED | values).startswith(sentence)


@pytest.mark.parametrize(
    "change",
    [
        {"cut": ["head"]},
        {"cut": ["time"] * 101},
        {"cut": ["time"], "first": 5},
        {"cut": ["time"], "first": 0},
        {"cut": ["time"], "last": -1},
        {"block": "head"},
        {"place": [0.3, 1]},
        {"place": [0.3]},
        {"graft": {"block": "middle"}},
        {"seed": "7"},
        {"off": "time"},
    ],
    ids=str,
)
def test_what_no_page_asks_is_refused(part, model, change):
    asked = toylab.requested_of(part.services, "network", ASKED)
    with pytest.raises(ValueError, match=UNCLEAR):
        part.request(asked | change).plan([model])


@pytest.mark.parametrize(
    ("change", "other"),
    [({"cut": ["middle"]}, {}), ({}, {"steps": 5}), ({}, {"checkpoint": "cifar10-tiny"})],
    ids=str,
)
def test_a_graft_of_another_chain_is_refused(part, model, change, other):
    asked = toylab.requested_of(part.services, "network", ASKED | {"graft": "6"})
    part.request(asked).plan([model])
    graft = asked["graft"] | {"lane": asked["graft"]["lane"] | other}
    with pytest.raises(ValueError, match=UNCLEAR):
        part.request(asked | change | {"graft": graft}).plan([model])


def test_a_graft_of_a_class_that_there_is_not_is_refused_by_the_server_too(part, model):
    asked = toylab.requested_of(part.services, "network", ASKED | {"graft": "6"})
    graft = asked["graft"] | {"lane": asked["graft"]["lane"] | {"labels": 12}}
    with pytest.raises(ValueError, match="labels go from 0 to 9"):
        part.request(asked | {"graft": graft}).plan([model])


def test_names_of_other_networks_are_refused_when_it_is_opened(part):
    for values in ({"off": "skips 9"}, {"block": "up 7"}):
        _, messages = toylab.messages(part, "network", ASKED | values)
        assert messages[-1]["state"] == "error" and "choose from down 1" in messages[-1]["text"]


def test_a_network_without_readers_shows_where_its_numbers_are_large(part):
    student = {"checkpoint": "mnist-tiny-consistency", "steps": "2", "sampler": "consistency"}
    plan, (whole,) = frames(part, **student)
    assert plan["r2"] is plan["figures"] is None and not any("read" in frame for frame in whole)
    shapes = [frame.shape for frame in whole[0]["colours"]]
    assert shapes == [(1, *block["shape"][1:], 1) for block in plan["blocks"]]
    assert all(one.min() == 0 and one.max() == 255 for one in whole[0]["colours"])


def test_of_a_long_run_as_many_steps_are_kept_as_fit(part, monkeypatch):
    """They stay in memory until the page has them all, and a network may have many blocks."""
    asked = {"steps": "10", "off": "middle"}
    _, (first, *_) = frames(part, **asked)
    monkeypatch.setattr(encoded, "FRAME_BYTES", 3.5 * 2 * size_of(first[0]))
    _, lanes = frames(part, **asked)
    assert [[frame["k"] for frame in lane] for lane in lanes] == [[0, 4, 9]] * 2
    np.testing.assert_equal(lanes[0], [first[k] for k in (0, 4, 9)])
