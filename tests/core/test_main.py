"""`python -m ddpm_core`: the files it writes, refusals before any work, and no tracebacks."""

import io
import os
import sys
import tempfile
from dataclasses import fields

import numpy as np
import pytest
from checkpoint_folders import SMALLEST, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

import ddpm_core
from ddpm_core import imaging
from ddpm_core.__main__ import main
from ddpm_core.commands.chain import ChainFlags, parse_seeds
from ddpm_core.engines.torch import TorchNetwork
from ddpm_core.names import OtherOptions
from ddpm_core.samplers import DEFAULTS

pytestmark = pytest.mark.usefixtures("torch_engine")
STUDENT = {"method": "progressive", "times": [60, 20]}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Three classes with names, and a null label."""
    folder = tmp_path_factory.mktemp("checkpoint") / "tiny"
    own = {"null_label": 3, "class_names": ["cat", "dog", "1"]}
    write(folder, own=own, scheduler={"num_train_timesteps": 20}, num_class_embeds=4, **SMALLEST)
    return folder


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(*words):
    """The sentence that a command ends with, and that it came before any step was taken."""
    with pytest.raises(SystemExit) as ended, pytest.MonkeyPatch.context() as patch:
        patch.setattr(TorchNetwork, "__call__", lambda *_: pytest.fail("a step was taken"))
        main([str(word) for word in words])
    assert isinstance(ended.value.code, str) and ended.value.code.startswith("error: ")
    assert "\n" not in ended.value.code
    return ended.value.code


def test_sample_writes_the_grid_and_the_way_there(checkpoint, here):
    main(["sample", "--checkpoint", str(checkpoint), "--steps", "4", "--seeds", "3,7-8", "--gif", "way.gif"])
    images = ddpm_core.sample(ddpm_core.load(checkpoint), [3, 7, 8], 4)
    assert np.array_equal(np.asarray(Image.open(here / "samples.png")), imaging.grid(images))
    assert Image.open(here / "way.gif").n_frames == 4


@pytest.mark.parametrize("label", ["2", "dog"])
def test_a_class_is_named_by_its_number_or_name(label, checkpoint, here):
    words = ["sample", "--checkpoint", str(checkpoint), "--steps", "2", "--seeds", "0", "--guidance", "3"]
    main([*words, "--label", label])
    number = {"2": 2, "dog": 1}[label]
    images = ddpm_core.sample(ddpm_core.load(checkpoint), [0], 2, labels=number, guidance=3.0)
    assert np.array_equal(np.asarray(Image.open(here / "samples.png")), imaging.grid(images))


def rows(path, columns, size=8, gap=2):
    """The pictures of a grid, (rows, columns, H, W, C)."""
    whole = np.asarray(Image.open(path))
    at = [range(0, side, size + gap) for side in whole.shape[:2]]
    assert len(at[1]) == columns
    return np.array([[whole[y : y + size, x : x + size] for x in at[1]] for y in at[0]])


def test_reconstructions_go_from_the_sample_to_its_picture(checkpoint, here):
    main(["reconstruct", "--checkpoint", str(checkpoint), "--steps", "4", "--seeds", "3,7", "--times", "20,5,0"])
    model = ddpm_core.load(checkpoint)
    samples = ddpm_core.sample(model, [3, 7], 4)
    found = rows(here / "latents.png", 4)
    assert np.array_equal(found[:, 0], samples[[0, 0, 0]])
    assert np.array_equal(found[0, 2], samples[0]) and np.array_equal(found[2, 2:], samples[[0, 0]])
    x_5 = ddpm_core.encode(model, samples[:1], 5, [3])
    assert np.array_equal(found[1, 1], imaging.to_uint8(x_5)[0])
    assert np.array_equal(found[1, 2:], ddpm_core.reconstruct(model, x_5, 5, [3, 7], 4))


def test_the_times_of_the_steps_may_be_given(checkpoint, here):
    main(["sample", "--checkpoint", str(checkpoint), "--steps", "20,9,1", "--seeds", "3", "--grid", "own.png"])
    expected = ddpm_core.sample(ddpm_core.load(checkpoint), [3], [20, 9, 1])
    assert np.array_equal(np.asarray(Image.open(here / "own.png")), imaging.grid(expected))
    churned = ["--sampler", "heun", "--steps", "19.5,9,0.5", "--S-churn", "2"]
    main(["sample", "--checkpoint", str(checkpoint), *churned, "--seeds", "3", "--grid", "own.png"])
    options = {"steps": [19.5, 9, 0.5], "sampler": "heun", "S_churn": 2}
    expected = ddpm_core.sample(ddpm_core.load(checkpoint), [3], **options)
    assert np.array_equal(np.asarray(Image.open(here / "own.png")), imaging.grid(expected))
    main(["reconstruct", "--checkpoint", str(checkpoint), "--steps", "9.5,1", "--times", "9.5", "--seeds", "3"])
    for steps, sentence in {"1,9": "at most 20 and above 0", "9,x": "such as 999,500.5,1"}.items():
        assert sentence in refusal("sample", "--checkpoint", checkpoint, "--steps", steps)
    words = ("reconstruct", "--checkpoint", checkpoint, "--steps", "9,1", "--times", "5")
    assert "a chain that starts at t = 5 must have it as its first time, got 9" in refusal(*words)


def test_without_a_number_of_steps_there_are_50_or_those_of_a_student(here):
    for name, own, steps in (("plain", {}, 50), ("student", {"student": STUDENT}, 2)):
        write(
            here / name, own=own, scheduler={"num_train_timesteps": 60, "prediction_type": "v_prediction"}, **SMALLEST
        )
        model = ddpm_core.load(here / name)
        main(["reconstruct", "--checkpoint", name, "--seeds", "3", "--times", "60,0"])
        picture = ddpm_core.sample(model, [3], steps, sampler="ddim" if own else "ddpm", spacing=None)
        assert np.array_equal(rows(here / "latents.png", 3)[:, 2], picture[[0, 0]])
        main(["interpolate", "--checkpoint", name, "--seeds", "3", "4", "--times", "60", "--count", "2"])
        assert np.array_equal(rows(here / "latents.png", 2)[0, 0], picture[0])


def test_a_student_is_refused_for_a_row_that_it_was_not_made_for_before_any_work(here):
    write(here / "student", own={"student": STUDENT}, scheduler={"num_train_timesteps": 60}, **SMALLEST)
    for command in ("reconstruct", "interpolate"):
        assert "has not learned t = 30" in refusal(command, "--checkpoint", here / "student", "--times", "60,0,30")


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (["--mask", "right"], np.s_[:, 4:]),
        (["--mask", "hole.png"], np.s_[2:6, 2:6]),
        (["--grey", "--downsample", "2", "--mask", "top"], None),
    ],
)
def test_a_picture_is_restored_from_a_part_of_it(words, missing, checkpoint, here):
    hole = np.zeros((8, 8), np.uint8)
    hole[2:6, 2:6] = 255
    Image.fromarray(hole).save(here / "hole.png")
    main(["restore", "--checkpoint", str(checkpoint), "--steps", "4", "--seeds", "3,7", *words])
    picture, known, first, second = rows(here / "restored.png", 2).reshape(4, 8, 8, 3)
    assert not np.array_equal(first, second)
    if missing is not None:
        kept = np.ones((8, 8), bool)
        kept[missing] = False
        assert np.abs(first[kept].astype(int) - picture[kept]).max() <= 1  # y is kept to rounding
        assert (known[~kept] == 128).all() and np.array_equal(known[kept], picture[kept])
        assert not np.array_equal(first[~kept], picture[~kept])


def test_a_sampler_of_ones_own_by_its_import_path(checkpoint, here, monkeypatch):
    (here / "own_samplers.py").write_text("from ddpm_core.samplers import DDIM\n\nddim = DDIM()\n")
    monkeypatch.syspath_prepend(here)
    words = ["sample", "--checkpoint", str(checkpoint), "--steps", "3", "--seeds", "3"]
    main([*words, "--sampler", "own_samplers:ddim", "--grid", "own.png"])
    main([*words, "--sampler", "ddim", "--grid", "named.png"])
    assert (here / "own.png").read_bytes() == (here / "named.png").read_bytes()


def test_interpolation_between_two_files_of_any_size(checkpoint, here):
    for name, grey, size in (("a.png", 30, (1, 1)), ("b.jpg", 200, (40, 9))):
        Image.new("L", size, grey).save(here / name)
    words = ["interpolate", "--checkpoint", str(checkpoint), "--pictures", "a.png", "b.jpg", "--times", "0,10"]
    main([*words, "--count", "3", "--steps", "2", "--label", "dog", "--grid", "between.png"])
    found = rows(here / "between.png", 3)
    assert np.abs(found[0].astype(int) - np.array([30, 115, 200]).reshape(3, 1, 1, 1)).max() <= 1
    assert not np.array_equal(found[1, 0], found[1, 2])


@pytest.fixture
def odd(here):
    """Files that should not be read or replaced."""
    (here / "a.txt").write_text("no picture")
    (here / "folder.png").mkdir()
    (here / "a.gif").write_bytes(b"")
    (here / "link.png").symlink_to(here / "a.gif")
    for name in ("own.png", "picture.png"):
        Image.new("RGB", (8, 8)).save(here / name)
    Image.effect_noise((400, 400), 99).save(here / "damaged.png", compress_level=0)
    head, *parts = (here / "damaged.png").read_bytes().split(b"IDAT")
    assert len(parts) > 1
    (here / "damaged.png").write_bytes(b"ID!T".join([b"IDAT".join([head, parts[0]]), *parts[1:]]))


RESTORE = ("restore", "--picture", "picture.png")
WRONG = {
    "a folder as grid": (("sample", "--grid", "folder.png"), "is a folder"),
    "another suffix": (("sample", "--grid", "a.jpg"), "must end in .png"),
    "another suffix of the gif": (("sample", "--gif", "a.png"), "must end in .gif"),
    "a folder that is not there": (("sample", "--grid", "nowhere/a.png"), "does not exist"),
    "a name that is too long": (("sample", "--grid", "n" * 300 + ".png"), "File name too long"),
    "one file twice": (("sample", "--grid", "a.png", "--gif", "./a.png"), "name one file"),
    "one file twice by a link": (("sample", "--grid", "link.png", "--gif", "a.gif"), "name one file"),
    "eta too large, not heeded": (("sample", "--eta", "2"), "eta"),
    "guidance too large for float32": (("sample", "--guidance", "1e39", "--label", "1"), "finite"),
    "guidance towards no class": (("sample", "--guidance", "3", "--label", "3"), "there is no class '3'"),
    "a seed too large": (("sample", "--seeds", "0-99999999999999999999999"), "2^63"),
    "more than 100,000": (("sample", "--seeds", "0-50000,0-50000"), "100,000"),
    "no device": (("sample", "--device", "meta"), "not available here"),
    "a time past T": (("reconstruct", "--times", "21"), "0 to 20"),
    "its own picture": (("reconstruct", "--picture", "own.png", "--grid", "./own.png"), "would replace your picture"),
    "its second picture": (
        ("interpolate", "--pictures", "damaged.png", "own.png", "--grid", "own.png"),
        "would replace your picture",
    ),
    "one picture": (("interpolate", "--count", "1"), "2 to 1000"),
    "no picture there": (("reconstruct", "--picture", "nothing.png"), "nothing.png: No such file or directory"),
    "no picture in the file": (("interpolate", "--pictures", "a.txt", "a.txt"), "cannot be read as a picture"),
    "a damaged picture": (("reconstruct", "--picture", "damaged.png"), "damaged.png is damaged"),
    "no class": (("interpolate", "--label", "cow"), "there is no class 'cow'"),
    "nothing known": (RESTORE, "--mask, --downsample, --grey or --blur"),
    "no divisor": ((*RESTORE, "--downsample", "3"), "divisor of the 8 pixels"),
    "no blur": ((*RESTORE, "--blur", "-1"), "--blur"),
    "noise below 0": ((*RESTORE, "--grey", "--noise", "-1"), "at least 0"),
    "noise for repaint": ((*RESTORE, "--grey", "--noise", ".1", "--steps", "4", "--method", "repaint"), "y as exact"),
    "its own mask": ((*RESTORE, "--mask", "own.png", "--grid", "own.png"), "would replace your picture"),
}


@pytest.mark.parametrize(("words", "sentence"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said_before_any_work(words, sentence, checkpoint, odd):
    command, *more = words
    steps = [] if "--steps" in more else ["--steps", "2"]
    assert sentence in refusal(command, "--checkpoint", checkpoint, *steps, *more)


def test_images_that_no_picture_can_show_are_refused_before_any_work(here):
    write(here / "five", scheduler={"num_train_timesteps": 20}, in_channels=5, out_channels=5, **SMALLEST)
    assert "an image of 5 channels can't be saved" in refusal("sample", "--checkpoint", here / "five", "--steps", "2")


def test_a_folder_or_file_that_cannot_be_written(checkpoint, here, monkeypatch):
    def deny(*_, **__):
        raise PermissionError(13, "Permission denied")

    (here / "old.png").write_bytes(b"precious")
    monkeypatch.setattr(tempfile, "TemporaryFile", deny)
    assert "cannot write" in refusal("sample", "--checkpoint", checkpoint, "--grid", "new.png")
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.open", deny)
        assert "cannot write" in refusal("sample", "--checkpoint", checkpoint, "--grid", "old.png")
    assert (here / "old.png").read_bytes() == b"precious"


def test_export_never_replaces_the_weights_by_half_of_their_bits(here):
    weights = write(here / "own", **SMALLEST)
    (here / "link").symlink_to(here / "own")
    for folder in ("own", "./own", "half/../own", "link"):
        assert "choose another folder" in refusal("export", "own", folder, "--half")
    for folder in ("own", "link"):  # whole, they may
        main(["export", "own", folder])
    assert (here / "link").is_symlink()
    main(["export", "own", "half", "--half"])
    kept = ddpm_core.load(here / "own").network.unet.state_dict()
    assert all((kept[name] == weight).all() for name, weight in weights.items())
    assert sorted(path.name for path in here.iterdir()) == ["half", "link", "own"]


def test_export_to_a_home_that_is_not_there(here):
    write(here / "own", **SMALLEST)
    assert "home folder" in refusal("export", "own", "~nouser/x")


def test_one_thing_is_said_in_the_singular(here, capsys):
    write(here / "grey", in_channels=1, out_channels=1, **SMALLEST)
    main(["info", str(here / "grey")])
    main(["sample", "--checkpoint", str(here / "grey"), "--steps", "1", "--seeds", "3", "--gif", "way.gif"])
    said = capsys.readouterr().out
    assert "8×8, 1 channel\n" in said and "1 image: " in said and "1 step: way.gif" in said


def test_info_is_printed_where_there_is_no_greek(checkpoint, monkeypatch):
    printed = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding="ascii"))
    main(["info", str(checkpoint)])
    sys.stdout.flush()
    assert b"8?8, 3 channels" in printed.getvalue()


@given(st.lists(st.tuples(st.integers(0, 2**63 - 1), st.integers(0, 40)), min_size=1, max_size=4))
@settings(max_examples=30)
def test_seeds_are_what_they_say(ranges):
    ranges = [(first, min(first + more, 2**63 - 1)) for first, more in ranges]
    text = ",".join(f"{first}-{last}" if last > first else str(first) for first, last in ranges)
    assert parse_seeds(text) == [seed for first, last in ranges for seed in range(first, last + 1)]


NUMBERS = ["0", "1", "3", "-1", "1e39", "-1e39", "nan", "inf", "0.5", "1_0", "", "9" * 30, "9" * 5000, "٣", "1e400"]
FILES = ["a.png", "a.gif", "", ".", "..", "/", "/dev/null", "~nouser/x", "no/a.png", "\x7f.png", "n" * 300 + ".png"]
DEVICES = ["auto", "cpu", "cpu:0", "hpu", "meta", "privateuseone", "cuda", "cuda:-1", "xla", "lazy", "zzz", ""]
TEXT = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), max_size=6)


def test_a_flag_that_is_a_samplers_option_has_its_default():
    flags = {row.name: row.default for row in fields(ChainFlags)}
    own = {name: flags[name] for name in DEFAULTS}
    assert own == dict.fromkeys(DEFAULTS) | {"eta": 0.0}  # None leaves it to the sampler
    assert ChainFlags(steps="3", sampler="ddim", eta=0.5).chain() == {
        **{"steps": 3, "sampler": "ddim", "spacing": None},
        **(own | {"eta": 0.5}),
    }


def test_a_flag_of_an_option_changes_the_pictures_of_its_sampler(checkpoint, tmp_path):
    grids = []
    for number, own in enumerate([(), ("--corrections", "2"), ("--snr", "0.5")]):
        grids.append(tmp_path / f"{number}.png")
        words = ("--sampler", "langevin", "--steps", "2", "--seeds", "0", "--grid", str(grids[-1]), *own)
        main(["sample", "--checkpoint", os.fspath(checkpoint), *words])
    assert len({grid.read_bytes() for grid in grids}) == 3


def values(*known):
    return st.integers(0, 9).flatmap(lambda i: st.sampled_from(known) if i else TEXT)


OPTIONS = {
    "--steps": values(*NUMBERS),
    "--seeds": values(*NUMBERS, "0-2", "2-0", "0-", "-", "1,,2", f"0-{'9' * 23}", f"0-{2**63}", "0-" + "9" * 5000),
    "--variance": values("beta", "beta_tilde", "analytic", "learned", "learned_range"),
    "--sampler": values("ddpm", "ddim", "unipc", "dpm++", "langevin", "consistency"),
    "--spacing": values("linspace", "quadratic", "quadratic_T", "leading", "trailing", "optimised"),
    "--eta": values(*NUMBERS),
    **{f"--{name}": values(*NUMBERS, "True", "False") for name in OtherOptions.__annotations__},
    "--label": values(*NUMBERS, "cat", "4"),
    "--guidance": values(*NUMBERS),
    "--grid": values(*FILES),
    "--gif": values(*FILES),
    "--device": values(*DEVICES),
    "--precision": values("auto", "fp32", "fp64"),
    "--engine": values("auto", "torch", "onnx"),
    "--times": values("20", "20,5,0", "21", "5,", "-", *NUMBERS),
    "--picture": values(*FILES),
    "--count": values(*NUMBERS),
}
OF = {"sample": "--gif", "reconstruct": "--times --picture", "interpolate": "--times --count"}
OWN = {option for options in OF.values() for option in options.split()}


@st.composite
def command_lines(draw, checkpoint):
    place = draw(st.sampled_from([checkpoint] * 30 + ["", "nothing", "~nouser", ".", "a@b", "\x7f"]))
    command = draw(st.sampled_from(["sample", "sample", "reconstruct", "interpolate", "info", "export"]))
    if command == "export":
        return [command, place, draw(values(*FILES)), *draw(st.lists(st.just("--half"), max_size=1))]
    known = [name for name in sorted(OPTIONS) if name not in OWN or name in OF.get(command, "").split()]
    chosen = draw(st.lists(st.sampled_from(known), unique=True, max_size=3))
    words = ["--checkpoint", place, "--steps", "2", "--seeds", "0", *["1"] * (command == "interpolate")]
    if command == "info":
        chosen, words = [name for name in chosen if name in ("--device", "--precision", "--engine")], [place]
    return [command, *words, *(word for name in chosen for word in (name, draw(OPTIONS[name])))]


@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_command_line_gives_a_result_or_a_sentence(data, checkpoint):
    words = data.draw(command_lines(os.fspath(checkpoint)))
    try:
        main(words)
    except SystemExit as ended:
        sentence = ended.code
        assert sentence == 2 or (sentence.startswith("error: ") and "\n" not in sentence and len(sentence) > 20)
