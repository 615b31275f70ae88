"""What the page's own networks show and change inside is what `ddpm_core.inside` does: one run of node answers all."""

import math
import shutil
from collections import Counter
from dataclasses import replace
from functools import partial

import numpy as np
import pipelines
import pytest
import torch
from checkpoint_folders import write_json
from diffusers import UNet2DConditionModel, UNet2DModel
from test_local_network import (
    CHECKPOINTS,
    CLOSE,
    PIXEL_NETWORKS,
    SMALL,
    WEB,
    ask,
    numbers,
    packed,
    pictures,
    randomised,
    write,
)

import ddpm_core
from ddpm_core import Model, NoiseSchedule
from ddpm_core.engines.from_diffusers import Attention

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")

T, TIMES = 1000, (3, 801)
# CLOSE, of a block's largest number, is that of test_local_network.py: float32 loses 2⁻²⁴ √n a layer. Here 4e-7 to
# 1.8e-6 were found, and up to 4.7e-6 in the shares of attention: a softmax makes of an absolute error a relative one.
CLOSE_SHARES = 1e-5
# The errors of six steps add up: 2.2e-6 was found. Heun has eleven evaluations, and nothing clips x_s after them:
# 2.5e-5. A change at another evaluation of Heun would be 1e-2.
CLOSE_RUN = {"ddim": 4e-6, "heun": 1e-4}
CLOSE_TAPS = {"ddim": CLOSE, "heun": 1e-4}  # of such an x_t
PLACE = [0.3, 0.7]  # of the picture's sides, down and to the right
# What else the networks of test_local_network.py differ in is inside a layer, and no block or change is other by it.
OTHER = (
    *("small", "google", "heads", "classes", "scale and shift", "no attention", "no middle", "learned times"),
    *("one level", "odd widths", "many pixels attend"),
)
NETWORKS = {name: PIXEL_NETWORKS[name] for name in OTHER} | {
    "a null label": {"num_class_embeds": 5},
    "three levels of attention": {
        **{"sample_size": 16, "block_out_channels": (8, 12, 16), "layers_per_block": 2, "attention_head_dim": 4},
        **{"down_block_types": ("AttnDownBlock2D",) * 3, "up_block_types": ("AttnUpBlock2D",) * 3},
    },
}
WORDS = ("words", "words, turbo", "emoji-tiny")


def doubled(network):
    """The same network in float64, whatever it is given."""
    network = network.double()
    network.register_forward_pre_hook(
        lambda _, given: tuple(one.double() if one.is_floating_point() else one for one in given)
    )
    return network.requires_grad_(False)


class Case:
    """What node is asked about a model, and what `ddpm_core.inside` shows of it in float64."""

    def __init__(self, folder, model, condition=None, side=8):
        self.opened, self.condition = ddpm_core.inside(model), condition or {}
        if any(isinstance(layer, Attention) for layer in self.opened._unet.modules()):
            self.opened.look(*PLACE)
        self.x = pictures(2, model.channels, side)
        self.case = {"folder": str(folder), "probes": []}
        self.wanted = []
        self.labels = None
        if "label" in self.condition:
            self.labels = torch.tensor([self.condition["label"]])
        if "prompt" in self.condition:
            self.labels = model.text([self.condition["prompt"]])
        for t in TIMES:
            self.evaluate(t)
        self.changes = [*self.opened.blocks, *self.opened.skips, "attention", "time"]
        self.changes += ["condition"] if model.null_label is not None or model.text is not None else []
        for name in self.changes:
            self.evaluate(TIMES[0], cut=[name])
        self.evaluate(TIMES[1], cut=self.changes[len(self.opened.blocks) :])
        for name in self.opened.blocks:
            self.evaluate(TIMES[0], graft=[name])

    def evaluate(self, t, cut=(), graft=()):
        self.opened.restore()
        self.opened.cut(*cut)
        given = {name: torch.randn(1, *self.opened.blocks[name].shape) for name in graft}
        for name, found in given.items():
            self.opened.change(name, lambda _, t, found=found: found)
        output = self.opened.model.network(self.x[:1].double(), torch.tensor([t]), self.labels)
        self.wanted.append((output, self.opened.taps, self.opened.looks))
        self.case["probes"].append(
            {
                **{"x": packed(self.x[:1]), "t": t, **self.condition, "cut": [*cut], "taps": [*self.opened.blocks]},
                **{"graft": {name: packed(found) for name, found in given.items()}, "place": PLACE},
            }
        )

    def check(self, answer):
        assert "error" not in answer, answer["error"]
        blocks = {name: block._asdict() | {"shape": [*block.shape]} for name, block in self.opened.blocks.items()}
        assert answer["spec"]["inside"] == {"blocks": blocks, "skips": [*self.opened.skips]}
        assert [*answer["spec"]["inside"]["blocks"]] == [*blocks]
        self.check_all(answer["probed"], self.wanted)

    def check_all(self, answers, wanted, looks=True):
        for found, (output, taps, maps) in zip(answers, wanted, strict=True):
            same(found["output"], output)
            for ours, theirs, close in (
                (found["taps"], taps, CLOSE),
                (found["maps"], maps if looks else {}, CLOSE_SHARES),
            ):
                assert ours.keys() == theirs.keys()
                for name, tap in ours.items():
                    assert tap["shape"] == [*theirs[name].shape[-3:]]
                    same(tap["data"], theirs[name], close)


def same(found, wanted, close=CLOSE):
    exact = wanted.numpy().ravel()
    assert np.abs(numbers(found) - exact).max() <= close * np.abs(exact).max()


def model_of(folder, network, own=None):
    if own:
        write_json(folder / "ddpm_core.json", own)
    return Model(
        network=doubled(network),
        schedule=NoiseSchedule.linear(T),
        image_size=network.config.sample_size,
        prediction="epsilon",
        channels=network.config.in_channels,
        num_classes=(network.config.num_class_embeds or 0) - bool(own),
        null_label=own and own["null_label"],
    )


def pixels(folder, name):
    torch.manual_seed(0)
    network = randomised(UNet2DModel(**SMALL | NETWORKS[name]))
    write(folder, network)
    classes = network.config.num_class_embeds
    model = model_of(folder, network, {"null_label": 4} if name == "a null label" else None)
    return Case(folder, model, {"label": 2} if classes else {}, network.config.sample_size)


def words(folder, name):
    if name != "emoji-tiny":
        pipelines.stable_diffusion(folder, tiny=True, **({"turbo": True} if name == "words, turbo" else {}))
    model = ddpm_core.load(str(folder), device="cpu", engine="torch", precision="fp32")
    network = UNet2DConditionModel.from_pretrained(folder / "unet").eval()
    return Case(folder, replace(model, network=doubled(network)), {"prompt": "a red heart"})


def embedded(name):
    network = UNet2DModel.from_pretrained(CHECKPOINTS / name).eval()
    model = ddpm_core.load(name, device="cpu", engine="torch", precision="fp32")
    return Case(CHECKPOINTS / name, replace(model, network=doubled(network)), {"label": 3}, side=model.image_size)


STEPS, SEEDS = {"steps": 6, "sampler": "ddim"}, (7, 8)
HEUN = {"steps": 6, "sampler": "heun", "S_churn": 2.0}  # so the network is evaluated at each t̂ and each s
# lane: 0 gives to those after it, also to a lane with guidance.
LANES = [
    {"label": 6},
    {"label": 3, "surgery": {"taps": ["down 1", "middle"], "graft": [{"name": "middle", "lane": 0, "steps": [1, 4]}]}},
    {
        **{"label": 3, "guidance": 2.0},
        "surgery": {"cut": [{"name": "skips 14", "steps": [0, 3]}, {"name": "attention"}], "taps": ["up 1"]},
    },
    {
        **{"label": 4, "guidance": 2.0},
        "surgery": {
            "cut": [{"name": "condition", "steps": [4, 6]}, {"name": "time", "steps": [1, 2]}],
            "graft": [{"name": "down 2", "lane": 2, "steps": [2, 3]}, {"name": "up 2", "lane": 0, "steps": [3, 5]}],
        },
    },
]


class Lanes:
    """A run of lanes from one noise: what node is asked, and what ddpm_core's hooks make of it.

    way: the arguments of all lanes.
    """

    def __init__(self, way):
        model = ddpm_core.load("mnist-tiny", device="cpu", engine="torch", precision="fp32")
        network = UNet2DModel.from_pretrained(CHECKPOINTS / "mnist-tiny").eval()
        self.opened = ddpm_core.inside(replace(model, network=doubled(network)))
        run = {"seeds": [str(seed) for seed in SEEDS], "lanes": [{**lane, **way} for lane in LANES]}
        self.case = {"folder": str(CHECKPOINTS / "mnist-tiny"), "runs": [run]}
        self.way, pairs = way, ddpm_core.timestep_pairs(model.schedule.T, way["steps"])
        self.times = [math.inf, *(t for t, _ in pairs), 0]
        self.steps = [self.lanes(seed) for seed in SEEDS]

    def lanes(self, seed):
        """Of each lane its steps: x, and the taps."""
        found, seen = [], []  # of each lane also the taps at each time
        for lane in LANES:
            self.opened.restore()
            surgery = lane.get("surgery", {})
            for cut in surgery.get("cut", ()):
                self.opened.cut(cut["name"], when=self.during(cut))
            for graft in surgery.get("graft", ()):
                donor = {t: taps[graft["name"]] for t, taps in seen[graft["lane"]].items()}
                self.opened.change(graft["name"], taken_from(donor, self.during(graft)))
            condition = {"labels": lane["label"], "guidance": lane.get("guidance")}
            seen.append({})
            noting = self.opened.model.evaluated_by(partial(self.evaluate, seen[-1]))
            steps = ddpm_core.trajectory(noting, [seed], **self.way, **condition)
            found.append([(step.x, self.opened.taps) for step in steps])
        return found

    def evaluate(self, seen, *given):
        output = self.opened.model.network(*given)
        seen[self.opened.t] = self.opened.taps
        return output

    def during(self, change):
        """Whether t is one of the steps of a change: above the s of the last, and below the t before the first."""
        first, end = change.get("steps", (0, self.way["steps"]))
        return lambda t: self.times[end + 1] < t < self.times[first]


def taken_from(donor, when):
    """A change: with guidance both evaluations come one after the other, the one with the condition first."""
    taken = Counter()

    def change(found, t):
        taken[t] += 1
        given = donor[t][: taken[t]][-1:]  # the only one, where the other lane has no guidance
        return given if when(t) else found

    return change


@pytest.fixture(scope="module")
def answers(tmp_path_factory, narrow_copies):
    """For each name the case and its answer."""
    folder = tmp_path_factory.mktemp("inside")
    cases = {name: pixels(folder / f"{i}", name) for i, name in enumerate(NETWORKS)}
    cases |= {name: words(narrow_copies.get(name, folder / name), name) for name in WORDS}
    cases["mnist-tiny"] = embedded("mnist-tiny")
    cases |= {"lanes of ddim": Lanes(STEPS), "lanes of heun": Lanes(HEUN)}
    found = ask(folder, [case.case for case in cases.values()])
    return {name: (case, answer) for (name, case), answer in zip(cases.items(), found, strict=True)}


@pytest.mark.parametrize("name", [*NETWORKS, *WORDS, "mnist-tiny"])
def test_blocks_are_shown_cut_and_grafted_as_ddpm_core_does(answers, name):
    case, answer = answers[name]
    case.check(answer)


@pytest.mark.parametrize("sampler", ["ddim", "heun"])
def test_lanes_are_cut_and_grafted_step_by_step(sampler, answers):
    case, answer = answers[f"lanes of {sampler}"]
    assert "error" not in answer, answer["error"]
    counts = Counter()
    for found in answer["runs"][0]:
        lane, image = found["lane"], found["image"]
        x, taps = case.steps[image][lane][counts[lane, image]]
        counts[lane, image] += 1
        same(found["x"], x, CLOSE_RUN[sampler])
        shown = LANES[lane].get("surgery", {}).get("taps", ())
        for i, tap in enumerate(found["taps"]):
            for name in shown:
                same(tap[name]["data"], taps[name][i], CLOSE_TAPS[sampler])
        assert len(found["taps"]) == (len(taps["middle"]) if shown or lane in (0, 2) else 0)
    assert counts == {(lane, i): STEPS["steps"] for lane in range(len(LANES)) for i in range(len(SEEDS))}


ON_GPU = ("small", "no middle", "odd widths", "a null label", "three levels of attention")
EVALUATE = """async ([web, folder, evaluations]) => {
    const imported = ["network/model.js", "network/gpu.js", "tests/local/probes.mjs"];
    const [{ load }, { gpu }, { probed }] = await Promise.all(imported.map((path) => import(`${web}/${path}`)));
    const read = (path) => fetch(`${folder}/${path}`).then((answer) => (answer.ok ? answer.arrayBuffer() : null));
    const device = await gpu(true);
    if (!device) return null;
    const model = await load(read, "here", undefined, device);
    const plain = evaluations.map((one) => ({ ...one, place: null }));
    const all = [];
    for (const one of [...plain, evaluations[0]]) all.push(await probed(model, one.label ?? null, one));
    return { engine: model.engine, probed: all };
}"""


@pytest.mark.long
@pytest.mark.parametrize("name", ON_GPU)
def test_a_gpu_shows_and_changes_the_same(answers, gpu_page, name):
    case, kernel = answers[name]
    every = max(1, len(case.case["probes"]) // 12)  # a network of three levels has 60 of them
    answer = gpu_page.evaluate(EVALUATE, [f"{WEB}", case.case["folder"], case.case["probes"][::every]])
    if answer is None:
        pytest.skip("this Chromium has no WebGPU")
    assert answer["engine"] == "WebGPU"
    *found, looked = answer["probed"]
    case.check_all(found, case.wanted[::every], looks=False)
    pairs = zip(found, kernel["probed"][::every], strict=True)
    assert all(one["output"] != other["output"] for one, other in pairs)  # or the kernel went on after an error
    assert looked == kernel["probed"][0]  # where a place looks, only the kernel finds
