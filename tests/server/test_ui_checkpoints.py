"""The checkpoints that the page offers: labels, what a public page refuses, what stays in memory, downloads."""

import gc
import json
import shutil
import subprocess
import threading
import weakref
from itertools import pairwise
from pathlib import Path

import numpy as np
import plans
import pytest
import torch
from checkpoint_folders import SMALLEST, write, write_json
from hub_server import HubServer
from PIL import Image
from toylab import Engine, heard, messages, results, toy_services, wait_for

import ddpm_core
from ddpm_core.analytic import Gamma
from ddpm_core.checkpoint import refs
from ddpm_core.checkpoint.hub import snapshots
from ddpm_core.checkpoint.hub.snapshots import Status
from ddpm_core.checkpoint.sidecars import gamma_file
from ui.machine.limits import Refused, ServerLimits
from ui.machine.step_times import StepKind, StepTimes
from ui.machine.turns import Turns
from ui.models import facts
from ui.models.catalogue import EMBEDDED, OFFERED, choice
from ui.models.loaded import Loading, Models
from ui.models.warmup import Warmup
from ui.parts.fetching import FetchingPart
from ui.parts.sampling import SamplingPart

pytestmark = pytest.mark.usefixtures("torch_engine")

ROOT = Path(__file__).parents[2]
CHURCH = "google/ddpm-ema-church-256"
NOWHERE_ELSE = "# Only this page has the model of this run\n"
CHURCH_SAYS = "DDPM · 1000 steps · EMA · 6 min to 31 min on two cores"


def in_words(choices):
    """What the page says of models: their names, and what else the list says."""
    if not shutil.which("node"):
        pytest.skip("needs node")
    url = (ROOT / "ui/web/words/checkpoints.js").as_uri()
    said = f"{json.dumps(choices)}.map((one) => [nameOf(one.ref), aboutOf(one), one.data && DATA[one.data]])"
    code = f"import({json.dumps(url)}).then(({{ nameOf, aboutOf, DATA }}) => console.log(JSON.stringify({said})))"
    return json.loads(subprocess.run(["node", "-e", code], check=True, capture_output=True, timeout=60).stdout)


def test_the_list_says_what_it_takes_to_use_a_checkpoint():
    cases = {
        Status(""): (f"{CHURCH_SAYS} · about 0.46 GB", "hub", True),
        Status("cached", 455_000_000): (CHURCH_SAYS, "here", True),
        Status("download", 455_000_000): (f"{CHURCH_SAYS} · 455 MB download", "hub", True),
        Status("download"): (f"{CHURCH_SAYS} · download", "hub", True),
        Status("offline"): (f"{CHURCH_SAYS} · about 0.46 GB · not available offline", "hub", False),
        Status("missing"): (f"{CHURCH_SAYS} · about 0.46 GB · not found", "hub", False),
    }
    choices = [choice(CHURCH, status) for status in cases]
    for one, (label, about, _), expected in zip(choices, in_words(choices), cases.values(), strict=True):
        assert (label, about, one["group"], one["ready"]) == ("Church 256", *expected)


def test_the_page_has_words_for_every_model_that_is_offered():
    refs = [*EMBEDDED, *OFFERED, "owner/ddpm-butterflies-128", "runs/mine/"]
    said = dict(zip(refs, in_words([choice(ref, Status("")) for ref in refs]), strict=True))
    assert said["openai/diffusers-cd_bedroom256_l2"][1].endswith("L2 · 3 s to 17 s on two cores · about 2.1 GB")
    assert "two cores" not in said["stabilityai/sd-turbo"][1]  # was not counted
    assert [said[ref][0] for ref in refs[-2:]] == ["ddpm-butterflies-128", "mine"]
    for ref in (*EMBEDDED, *OFFERED):
        name, about, data = said[ref]
        assert name != ref.split("/")[-1] and about and None not in (name, about, data)


def test_what_was_typed_and_does_not_load_is_said_when_it_is_chosen(tmp_path, monkeypatch):
    """What it is and why, before any weights; what loads is not downloaded either. Of what a link names no file is."""
    refused = {"odd": "class_embed_type 'timestep'", "code": "no config.json", "none": "no repository"}
    refused["vp"] = "'fourier'"  # a score model of another scheduler
    with HubServer() as server:
        server.use(monkeypatch, tmp_path / "home")
        write(tmp_path / "good", **SMALLEST)
        write(tmp_path / "odd", **SMALLEST, class_embed_type="timestep")
        (tmp_path / "code").mkdir()
        (tmp_path / "code" / "run.py").write_text("")
        write(
            tmp_path / "vp", **SMALLEST, scheduler={"_class_name": "ScoreSdeVpScheduler"}, time_embedding_type="fourier"
        )
        for name in ("good", "odd", "code", "vp"):
            server.add_repo(f"owner/{name}", tmp_path / name)
        models = Models()
        assert not models.look("owner/odd") and not [one for one in server.requests if "/resolve/" in one.path]
        for name, why in refused.items():
            with pytest.raises(ddpm_core.CheckpointError, match=f"(?=.*owner/{name})(?=.*{why})"):
                models.look(f"owner/{name}", typed=True)
        assert not models.look("owner/good", typed=True) and models.to_download("owner/good")
        assert not [one for one in server.requests if one.method == "GET" and "safetensors" in one.path]


def test_the_list_begins_with_what_is_here(monkeypatch):
    def status(where):
        cached = where.kind != "hub" or where.name == "google/ddpm-cifar10-32"
        return Status("cached" if cached else "offline", 143_000_000)

    monkeypatch.setattr(snapshots, "status", status)
    models = Models()
    models.refresh()
    listed = models.choices()
    groups = [(one["group"], one["data"]) for one in listed]
    assert groups[0] == ("here", "") and len(set(groups)) == sum(a != b for a, b in pairwise([None, *groups]))
    assert {("hub", "bedroom"), ("hub", "imagenet")} < set(groups)
    by_ref = {one["ref"]: one for one in listed}
    assert by_ref["google/ddpm-cifar10-32"]["group"] == "here" and not by_ref[CHURCH]["ready"]
    digits = by_ref["mnist-tiny"]
    assert digits["picture"].endswith("models/mnist-tiny.webp")


def said(models, ref):
    """What every way in says of a reference; a Hub that is not asked and not reached has one sentence for each."""
    answers = []
    for ask in (models.get, models.fetch, models.peek, models.known, models.look):
        try:
            answers.append(ask(ref))
        except ddpm_core.CheckpointError as error:
            answers.append(str(error))
    return [*answers, models.to_download(ref)]


@pytest.mark.parametrize(
    "ref",
    ["here", "./here", "here/", "../x/here", "~", "/etc/passwd", "a/b", "a/b@main", "a/b/c", "C:\\x", "a b", "a/"],
)
def test_a_public_page_says_the_same_of_a_path_whether_it_is_here_or_not(ref, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "x").mkdir()
    monkeypatch.chdir(tmp_path / "x")
    models = Models(public=True, allow_hub=True)
    absent = said(models, ref)
    if not ref.startswith(("a/b", "here")):
        assert all("embedded checkpoints and Hub ids" in str(answer) for answer in absent[:-1])
    assert all("only the checkpoints of its list" in str(answer) for answer in said(Models(public=True), ref)[:-1])
    write(tmp_path / "x" / "here")
    write(tmp_path / "x" / "a" / "b" / "c")
    assert said(models, ref) == absent
    write(tmp_path / "x" / "a" / "b")
    assert said(models, ref) == absent
    shutil.rmtree(tmp_path / "x" / "here")
    shutil.rmtree(tmp_path / "x" / "a" / "b")
    for name in ("here", "a/b"):
        (tmp_path / "x" / name).write_text("a file")
    assert said(models, ref) == absent


def test_a_public_page_takes_what_it_lists_and_hub_ids_where_they_are_allowed(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for ref in ("cifar10-tiny", CHURCH, CHURCH + "@main", "owner/name"):
        Models(public=True, allow_hub=True).parse(ref)
    models = Models(public=True, first="owner/mine")
    for ref in ("cifar10-tiny", CHURCH, "owner/mine"):
        models.parse(ref)
    assert "owner/mine" in [one["ref"] for one in models.choices()]
    for ref, sentence in (
        ("owner/name", "only the checkpoints of its list"),
        (CHURCH + "@refs/pr/1", "only one revision"),
    ):
        with pytest.raises(ddpm_core.CheckpointError, match=sentence):
            models.parse(ref)


def test_a_folder_that_the_command_line_names_is_meant_on_a_public_page_too(tmp_path, monkeypatch):
    """Also where its name could be one of the Hub: on a page of one's own it is the folder."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert Models(public=True, first="a/b").parse("a/b").kind == "hub"
    write(tmp_path / "a" / "b")
    for allow_hub in (False, True):
        assert Models(public=False, first="a/b").parse("a/b").kind == "folder"
        for text in ("a/b", str(tmp_path / "a" / "b")):
            models = Models(public=True, allow_hub=allow_hub, first=text)
            model = models.get(models.first)
            assert model.source.folder == tmp_path / "a" / "b"
            (label,) = [one["label"] for one in models.choices() if one["ref"] == models.first]
            assert label == "b" and str(tmp_path) not in models.first
            script = plans.answer("watch", {"checkpoint": models.first}, {models.first: model})["python"]
            assert script == NOWHERE_ELSE
        monkeypatch.chdir(tmp_path / "a")  # what it means was decided at the start
        assert models.parse(models.first).folder == tmp_path / "a" / "b"
        with pytest.raises(ddpm_core.CheckpointError):
            models.get("a/b")  # what a visitor types is no folder
        monkeypatch.chdir(tmp_path)
    with pytest.raises(ddpm_core.CheckpointError, match="no checkpoint"):
        Models(public=True, first="not there")


class Network(Engine):
    """A network that says it takes so many bytes."""

    def __init__(self, memory):
        super().__init__()
        self.memory = memory


def model_of(network):
    schedule = ddpm_core.NoiseSchedule.linear(10)
    return ddpm_core.Model(network=network, schedule=schedule, image_size=8, prediction="epsilon")


def test_models_stay_loaded_within_a_memory_budget_the_longest_unused_goes_first(monkeypatch):
    loads, memory = [], {"o/small": 1, "o/a": 8, "o/b": 8, "o/huge": 80}

    def load(ref, **_):
        loads.append(str(ref))
        return model_of(Network(memory[str(ref)]))

    monkeypatch.setattr(ddpm_core, "load", load, raising=False)
    models = Models(limits=ServerLimits(model_memory_mb=16e-6))
    for ref in ("a", "small", "a", "b", "small", "b"):
        models.get(f"o/{ref}")
    with pytest.raises(Refused, match=r"huge takes .* of memory: choose a smaller one .limit: model_memory_mb"):
        models.get("o/huge")
    models.get("o/b")
    # a and b fit, but not with the small one; the huge one fits with nothing, is refused, and takes nobody's place
    assert loads == [f"o/{ref}" for ref in ("a", "small", "b", "small", "huge")]


def test_what_is_known_of_a_model_does_not_keep_it_in_memory(monkeypatch):
    """Computations keep it, for as long as their pictures can be saved."""

    def load(ref, **_):
        return model_of(Network(8))

    monkeypatch.setattr(ddpm_core, "load", load, raising=False)
    models = Models(limits=ServerLimits(model_memory_mb=12e-6))
    network = weakref.ref(models.get("o/a").network)
    known = models.known("o/a")
    assert known and known.schedule.T == 10 and network()
    models.get("o/b")
    gc.collect()
    assert not network()


def test_files_that_change_while_their_model_is_loaded_are_noticed(tmp_path, monkeypatch):
    models = Models()
    folder = tmp_path / "mine"
    write(folder)

    def load(where, **_):
        shutil.rmtree(folder)
        write(folder, seed=1)
        return model_of(Network(1))

    monkeypatch.setattr(ddpm_core, "load", load, raising=False)
    assert models.get(str(folder)).network.memory == 1
    assert models.loaded(str(folder)) is None


def test_memory_is_counted_as_it_is_after_a_run(monkeypatch):
    """An engine compiles more shapes as runs need them."""
    models = Models(limits=ServerLimits(model_memory_mb=12e-6))
    networks = {"o/a": Network(5), "o/b": Network(5)}
    monkeypatch.setattr(ddpm_core, "load", lambda ref, **_: model_of(networks[str(ref)]), raising=False)
    models.get("o/a")
    models.get("o/b")
    assert models.loaded("o/a") and models.loaded("o/b")
    networks["o/b"].memory = 8
    models.make_room("o/b")
    assert models.loaded("o/b") and not models.loaded("o/a")


def test_a_folder_exported_anew_is_loaded_anew(tmp_path, monkeypatch):
    def load(where, **_):
        return model_of(Network(1))

    monkeypatch.setattr(ddpm_core, "load", load, raising=False)
    folder = tmp_path / "mine"
    write(folder, seed=0)
    pace, ref = StepTimes(), str(folder)
    models = Models(pace=pace)
    first = models.get(ref)
    pace.note(StepKind(ref, 1), 2.0)
    assert models.get(ref) is first
    shutil.rmtree(folder)
    assert models.get(ref) is first  # as good as ever; and a folder that is being replaced can be away for a moment
    write(folder, seed=1)
    assert models.loaded(ref) is None
    assert pace.seconds(StepKind(ref, 1)) is None  # of another network
    assert models.get(ref) is not first
    config = folder / "scheduler_config.json"
    config.write_text(config.read_text() + " ")
    assert models.loaded(ref) is None


def test_what_users_typed_is_not_remembered_for_ever(monkeypatch):
    monkeypatch.setattr(snapshots, "status", lambda where: Status("download", 10**6))
    monkeypatch.setattr(snapshots, "fetch", lambda *_, **__: None)
    models = Models()
    models.refresh()
    for number in range(300):
        models.look(f"owner/name-{number}")
    assert models.to_download("owner/name-299") == models.to_download(CHURCH) == 10**6
    assert sum(models.to_download(f"owner/name-{number}") is not None for number in range(300)) < 100


def test_a_model_is_not_preloaded_while_others_compute(monkeypatch):
    loads, turns = [], Turns()
    monkeypatch.setattr(snapshots, "status", lambda where: Status("cached"))
    monkeypatch.setattr(Models, "peek", lambda self, ref: ref)
    monkeypatch.setattr(Models, "get", lambda self, ref: loads.append((ref, len(turns))))
    warmup = Warmup(toy_services(Models(turns=turns), turns))
    with turns.turn(Loading("o/a")):
        warmup.look("o/b")
    warmup.look("o/c")
    wait_for(lambda: loads)
    assert loads == [("o/c", 1)]  # in its turn


def test_a_model_that_is_chosen_is_timed_once():
    services = toy_services(Models("cpu"))
    warmup = Warmup(services)

    def under_way():
        return [thread for thread in threading.enumerate() if thread.name == "warm-up"]

    warmup.look("mnist-tiny")
    for thread in under_way():
        thread.join(60)
    assert services.step_times.seconds(StepKind("mnist-tiny", 1)) > 0
    warmup.look("mnist-tiny")
    assert not under_way()
    warmup.look("mnist-tiny-2-steps")
    assert warmup.close(60) and not under_way()
    warmup.look("mnist-tiny-consistency")  # a page's last question, while the app ends
    assert not under_way()


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("watch", {"variance": "beta", "label": "3", "guidance": 2}),
        ("watch", {"sampler": "ddim", "spacing": "trailing"}),
        ("watch", {"sampler": "dpm++", "clip": False}),
        ("watch", {"sampler": "unipc"}),
        ("compare", {"checkpoint_b": "mnist-tiny-2-steps", "sampler_b": "ddim", "steps_b": 2, "label": "3"}),
    ],
)
def test_scripts_repeat_the_pictures(part, values, run_script):
    place = SamplingPart(toy_services(Models("cpu")))
    asked = {"checkpoint": "mnist-tiny", "count": 1, "steps": 4, **values}
    found = plans.described(place, part, asked)
    run, _ = messages(place, part, asked)
    Path("checkpoints").symlink_to(ROOT / "checkpoints")
    for script, apart in (("python", 0), ("diffusers", 1)):
        run_script(found[script])
        for lane, frames in enumerate(run.recording.frames):
            file = Path("seed-13.png" if part == "watch" else f"lane-{lane}-seed-13.png")
            assert found[script] == "" or np.ptp([Image.open(file), frames[max(frames)][0, ..., 0]], 0).max() <= apart
            file.unlink(missing_ok=True)


def test_peek_reads_classes_without_the_weights():
    peeked = Models().peek("cifar10-tiny")
    assert (peeked.num_classes, peeked.class_names[3], peeked.schedule.T) == (10, "cat", 1000)
    assert Models().peek(CHURCH) is None


def test_the_analytic_variance_is_offered_and_planned_before_the_model_is_loaded(tmp_path):
    """A link with it is opened on a page that has just started."""
    models = Models()
    services = toy_services(models)
    peeked = models.peek("cifar10-tiny")
    assert torch.equal(peeked.gamma, ddpm_core.load("cifar10-tiny", device="cpu").gamma)
    without = tmp_path / "copy"
    shutil.copytree(peeked.source.folder, without, ignore=shutil.ignore_patterns("analytic_variance.json"))
    for ref, has in (("cifar10-tiny", True), (str(without), False)):
        assert ("analytic" in plans.offered(services, ref)["variances"]) == has
        asked = {"checkpoint": ref, "variance": "analytic", "variance_b": "beta"}
        answer = plans.described(SamplingPart(services), "compare", asked)
        assert "analytic adds σ" in answer["shown"]["caption"] if has else "was not estimated" in answer
    guided = {"checkpoint": "cifar10-tiny", "variance": "analytic", "label": "cat", "guidance": "2"}
    assert "not defined with guidance" in plans.described(SamplingPart(services), "watch", guided)
    assert models.loaded("cifar10-tiny") is None


def test_files_of_a_checkpoint_are_read_once_until_they_change(tmp_path, monkeypatch):
    """Each question of a page needs them, and a stranger can make them slow to read."""
    monkeypatch.setenv("DDPM_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "model", **SMALLEST, scheduler={"variance_type": "fixed_small"})
    read_text, asked = Path.read_text, []
    monkeypatch.setattr(
        Path, "read_text", lambda path, *more, **words: asked.append(path) or read_text(path, *more, **words)
    )
    ref = str(tmp_path / "model")
    services = toy_services(Models())
    known = facts.answer(services, ref)
    assert known["facts"]["spec"]["variance"] == "beta_tilde" and asked
    services.models.flop(ref)
    asked.clear()
    assert facts.answer(services, ref) == known and services.models.flop(ref) and not asked
    scheduler = tmp_path / "model" / refs.in_folder(tmp_path / "model", ref).layout.scheduler
    content = json.loads(scheduler.read_text())
    write_json(scheduler, content | {"variance_type": "fixed_large"})
    assert facts.answer(services, ref)["facts"]["spec"]["variance"] == "beta"
    write_json(scheduler, content | {"variance_type": "wide"})
    for _ in range(2):
        asked.clear()
        with pytest.raises(ddpm_core.CheckpointError, match=f"{ref}: unknown variance_type 'wide'"):
            facts.answer(services, ref)
    assert not asked
    scheduler.write_text(json.dumps(content))
    model = ddpm_core.load(ref, device="cpu", engine="torch")
    ones = torch.ones(2, dtype=torch.float64)
    gamma_file.write(model, Gamma((1, 1000), ones, ones, 2))
    assert facts.answer(services, ref)["facts"]["sidecars"]["gamma"]


def test_a_public_page_says_the_last_part_of_a_folders_name_alone(tmp_path):
    folder = tmp_path / "secret" / "mine"
    write(folder, **SMALLEST)
    models = Models(public=True, first=str(folder))
    services = toy_services(models)
    known = facts.answer(services, models.first)
    assert known["facts"]["home"]["where"] == "'mine'" and known["facts"]["spec"]["source"]["ref"] == "mine"
    assert "secret" not in json.dumps([known, models.choices(), models.first])
    assert models.get(models.first).source.ref == "mine"
    (folder / "analytic_variance.json").write_text("{}")
    with pytest.raises(
        ddpm_core.CheckpointError, match=r"^mine: analytic_variance\.json is not a table of Γ_t: delete"
    ):
        facts.answer(services, models.first)
    (folder / "config.json").write_text("{")
    with pytest.raises(ddpm_core.CheckpointError, match=r"^mine: config\.json cannot be read as JSON"):
        models.get(models.first)
    own = Models(first=str(folder))
    assert repr(own.parse(str(folder)).name) == repr(str(folder))


def test_the_page_reads_a_variance_that_is_kept_in_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("DDPM_CACHE", str(tmp_path))
    name = "mnist-tiny-2-steps"  # which has none beside its weights
    model = ddpm_core.load(name, device="cpu", engine="torch")
    ones = torch.ones(2, dtype=torch.float64)
    kept = gamma_file.write(model, Gamma((1, 1000), ones, ones, 2))
    assert kept.is_relative_to(tmp_path)
    known = facts.facts(Models().peek(name))
    assert known["spec"]["gamma"] and known["sidecars"]["gamma"] == {"times": [1, 1000], "gamma": [1, 1]}


def test_a_run_downloads_its_model_can_be_stopped_meanwhile_and_succeeds_the_next_time(tmp_path, monkeypatch):
    with HubServer() as server:
        server.use(monkeypatch, tmp_path / "home")
        write(tmp_path / "repo", "256", pickle=True, scheduler={"variance_type": "fixed_small"})
        server.add_repo(CHURCH, tmp_path / "repo")
        models = Models()
        models.refresh()
        assert models.to_download(CHURCH) > 100_000
        assert models.peek(CHURCH) is None

        server.bytes_per_second = 10_000  # it would take a minute
        place = SamplingPart(toy_services(models))
        fetching = FetchingPart(place.services)  # as the page asks, which can't plan the run yet

        def stop(run, message):
            if message["status"] and message["status"]["kind"] == "download":
                run.stop()

        _, seen = heard(place, fetching.request({"refs": [CHURCH]}), stop)
        assert seen[-1]["state"] == "stopped" and models.to_download(CHURCH) > 0

        server.bytes_per_second = None
        _, seen = heard(place, fetching.request({"refs": [CHURCH]}))
        assert seen[-1]["state"] == "finished" and results(seen) == [], seen[-1]["text"]
        _, seen = messages(place, "watch", {"checkpoint": CHURCH, "steps": 2, "count": 1})
        assert seen[-1]["state"] == "finished", seen[-1]["text"]
        frames = results(seen, "frame")
        assert [frame["k"] for frame in frames] == [0, 1] and frames[0]["x"].type == "image/jpeg"
        assert models.peek(CHURCH).image_size == 256
        assert models.loaded(CHURCH).source.ref == CHURCH
        assert models.to_download(CHURCH) is None
