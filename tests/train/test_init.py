"""Fine-tuning, and the trainer from Python: what --init decides, new classes, and the files of the command line."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training import (
    fit,
    make_folder,
    process_restored,  # noqa: F401
    tiny,
    weights,
)

import ddpm_core
import train
from train import TrainError
from train.__main__ import main
from train.common.config import PRESETS, Config
from train.common.lock import locked
from train.fit.inputs.init import check_init, warm_start
from train.fit.outputs.card import command
from train.fit.recipe import grid_count
from train.fit.start import parse_fit

pytestmark = pytest.mark.usefixtures("torch_engine")
DOCUMENT = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
NETWORK = {"widths": (8, 16), "attention": (4,), "norm_groups": 8, "T": 30, "beta_end": 0.3, "prediction": "v"}


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """The model of a run with the classes cat and dog, and no cosine anywhere."""
    folder = tmp_path_factory.mktemp("begun")
    fit(tiny(make_folder(folder / "data", n=4), folder / "run", steps=1, conditional=True, **NETWORK))
    return folder / "run" / "model"


def parsed(*words: object) -> Config:
    return parse_fit([str(word) for word in words])[0]


def test_the_checkpoint_decides_network_and_process(begun):
    for config in (parsed("--init", begun, "--lr", 0.5), train.preset("cifar10", init=begun, lr=0.5)):
        found = {name: getattr(config, name) for name in ("image_size", "channels", "conditional", *NETWORK)}
        assert found == {"image_size": 8, "channels": 3, "conditional": True, **NETWORK}
        assert (config.lr, config.batch, config.init) == (0.5, PRESETS["cifar10"].batch, str(begun))
        check_init(config)
    larger = parsed("--init", begun, "--image-size", 16, "--no-conditional", "--prediction", "epsilon")
    assert (larger.attention, larger.conditional, larger.prediction) == ((8,), False, "epsilon")
    check_init(larger)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--widths", 8], "has --widths 8 16, and can't be continued with 8: leave this flag out"),
        (["--norm-groups", 4], "has --norm-groups 8, and can't be continued with 4"),
        (["--attention"], "has --attention 4, and can't be continued with (none)"),
        (["--channels", 1], "has --channels 3, and can't be continued with 1"),
        (["--T", 20], "has the noise schedule linear, T = 30: leave out --T, --schedule"),
        (["--schedule", "cosine"], "has the noise schedule linear, T = 30: leave out"),
    ],
)
def test_a_flag_that_contradicts_the_checkpoint_is_refused_before_the_images_are_read(words, sentence, begun, capsys):
    given = ["fit", "--init", begun, "--data", "nowhere", "--out", "nowhere", *words]
    assert main([str(word) for word in given]) == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1


def test_a_schedule_that_no_flag_gives_is_refused(begun, tmp_path):
    model = ddpm_core.load(begun, engine="torch", precision="fp32", device="cpu")
    own = ddpm_core.NoiseSchedule.from_betas([0.1, 0.2, 0.4])
    ddpm_core.save(replace(model, schedule=own), tmp_path / "own")
    with pytest.raises(TrainError, match="has the noise schedule custom, which is none of linear, cosine, quadratic"):
        check_init(train.preset("cifar10", init=tmp_path / "own"))


def test_the_command_of_a_card_makes_the_same_run(begun):
    config = train.preset("cifar10-tiny", init=begun, prediction="epsilon", conditional=False, steps=7)
    words = command(config).split()
    assert words[3] == "fit" and parsed(*words[4:]) == config and "--widths" not in words


@pytest.mark.parametrize(
    ("classes", "rows", "sentence"),
    [
        (("cat", "dog"), [0, 1, 2], ""),
        (("dog", "cat"), [1, 0, 2], ""),
        (("ape", "bee"), [0, 1, 2], ""),
        (
            ("bee", "cat", "dog"),
            [2, 0, 1, 2],
            "2 classes, the images 3: the embeddings of these begin as no class: bee.",
        ),
        (("dog",), [1, 2], ""),
    ],
)
def test_classes_keep_their_embeddings_and_new_ones_begin_as_no_class(classes, rows, sentence, begun):
    config = train.preset("cifar10", init=begun)
    before = ddpm_core.load(begun, device="cpu", precision="fp32", engine="torch").network.unet.state_dict()
    network, said = warm_start(config, classes)
    after = network.state_dict()
    assert said.endswith(sentence) and bool(said) == bool(sentence)
    assert torch.equal(after["class_embedding.weight"], before["class_embedding.weight"][rows])
    assert all(torch.equal(after[name], before[name]) for name in before if name != "class_embedding.weight")


def test_a_network_without_classes_gets_some_that_change_nothing_yet(tmp_path):
    fit(tiny(make_folder(tmp_path / "data", n=4), tmp_path / "run", steps=1))
    init = tmp_path / "run" / "model"
    plain = ddpm_core.load(init, device="cpu", precision="fp32", engine="torch").network.unet
    config = train.preset("cifar10", init=init, conditional=True)
    network, said = warm_start(config, ("cat", "dog"))
    assert "has no classes, the images 2: the embeddings of these begin as no class: cat, dog." in said
    x, t = torch.randn(3, 3, 8, 8), torch.tensor([0, 9, 19])
    with torch.no_grad():
        ours, theirs = network.eval()(x, t, torch.tensor([0, 1, 2])).sample, plain(x, t).sample
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-6)


def section(title: str, language: str) -> str:
    text = DOCUMENT.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return re.search(rf"^```{language}\n(.*?)^```", text, re.M | re.S)[1]


def small(text: str) -> str:
    """The run of a document, with a hundredth of the work."""
    for number, less in (("steps", 2), ("warmup", 1)):
        text = re.sub(rf"({number}\"?[ :=]+)[234]?\d0\b", rf"\g<1>{less}", text.replace("steps=400", "steps=3"))
    return text


@pytest.fixture
def signs(tmp_path, monkeypatch):
    """The folder of the documents' examples, where they are read."""
    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path / "signs", n=4, classes=("give way", "stop"))
    monkeypatch.setitem(PRESETS, "mnist-tiny", replace(PRESETS["mnist-tiny"], batch=2, sample_steps=2, threads=1))
    return tmp_path


def test_the_commands_of_the_section_fine_tune(signs, capsys):
    tune, draw = section("Fine-tuning", "bash").replace("\\\n", " ").splitlines()
    assert main(small(tune).split()[3:]) == 0
    assert "the embeddings of these begin as no class: give way, stop" in capsys.readouterr().err
    model = ddpm_core.load("runs/signs/model", device="cpu")
    assert model.class_names == ("give way", "stop") and model.channels == 1 and model.schedule.T == 1000
    from ddpm_core.__main__ import main as library

    library([*draw.split()[3:], "--steps", "2"])
    assert (signs / "stop.png").is_file()


def test_python_writes_the_files_of_the_command_line(signs, capsys):
    """Byte for byte, the whole state; and the document's program, which goes on, runs."""
    tune = small(section("Fine-tuning", "bash").replace("\\\n", " ").splitlines()[0])
    assert main(tune.split()[3:]) == 0
    shutil.move("runs/signs/checkpoints", "theirs")
    shutil.rmtree("runs")
    torch.set_num_threads(2)
    names = {}
    exec(compile(small(section("From Python", "python")), "training.md", "exec"), names)
    theirs = {path.name: path.read_bytes() for path in (signs / "theirs").iterdir()}
    assert theirs["step-000000002.pt"] == (signs / "runs/signs/checkpoints/step-000000002.pt").read_bytes()
    assert weights(signs / "runs" / "signs", 3) and "2 0." in capsys.readouterr().out


def test_a_callback_sees_the_points_and_stops_the_run(tmp_path):
    config = tiny(make_folder(tmp_path / "data", n=4), tmp_path / "run", steps=9, log_every=2)
    seen = []
    stopped = train.Trainer(config).fit(lambda point: seen.append(point) or point.step == 4)
    assert stopped == 2 and [point.step for point in seen] == [2, 4]  # as Ctrl-C does
    point = seen[-1]
    assert 0 < point.loss < 3 and point.norm > 0 and point.speed > 0 and point.lr == config.lr
    assert min(point.losses.values()) <= point.loss <= max(point.losses.values())
    with pytest.raises(TrainError, match="already holds a run"):
        train.Trainer(config)
    trainer = train.resume(config.out)
    assert trainer.step == 4 and trainer.fit(seen.append) is None and [p.step for p in seen[2:]] == [6, 8, 9]
    fit(replace(config, out=str(tmp_path / "whole")))
    one, other = weights(tmp_path / "run", 9), weights(tmp_path / "whole", 9)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_one_process_trains_in_one_precision_after_the_other(tmp_path):
    data = make_folder(tmp_path / "data", n=4)
    for precision in ("fp32", "bf16", "fp32"):
        trainer = train.Trainer(
            tiny(data, tmp_path / f"{precision}{len(list(tmp_path.iterdir()))}", precision=precision)
        )
        assert trainer.accelerator.mixed_precision == ("bf16" if precision == "bf16" else "no")


def test_what_python_asks_for_is_checked_as_flags_are(tmp_path):
    for ask, sentence in (
        (lambda: train.preset("imagenet"), "no preset 'imagenet': choose from cifar10"),
        (lambda: train.preset("mnist-tiny", epochs=3), "no field 'epochs'"),
        (lambda: train.preset("mnist-tiny", init="nowhere"), "--init: "),
        (lambda: train.resume(tmp_path), "no checkpoint to resume"),
    ):
        with pytest.raises(TrainError, match=sentence):
            ask()
    config = tiny(make_folder(tmp_path / "data", n=4), tmp_path / "run", steps=1)
    trainer = train.Trainer(config)
    with locked(tmp_path / "run"), pytest.raises(TrainError, match="is in use by another command"):
        trainer.fit()
    assert trainer.fit() is None


def test_grids_of_a_short_run_take_a_tenth_of_its_work():
    config = PRESETS["mnist-tiny"]
    assert grid_count(config) == 64 == grid_count(replace(config, sample_every=0, sample_seconds=5.0, steps=1))
    assert grid_count(replace(config, steps=100)) == 19  # of 100 · 64 · 3 evaluations; two grids of 50 steps
    assert grid_count(replace(config, steps=1)) == 8 and grid_count(replace(config, steps=1, sample_count=4)) == 4
    every = replace(config, sample_every=100)
    assert grid_count(every) == 19
