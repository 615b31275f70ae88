"""`python -m ddpm_core sample --out`: what is drawn by one process or two, at once or with breaks, is the same."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from checkpoint_folders import SMALLEST, write
from PIL import Image
from training import in_two_processes, process_restored  # noqa: F401

import ddpm_core
from ddpm_core.__main__ import main
from ddpm_core.analytic import estimate_gamma
from ddpm_core.checkpoint.sidecars import gamma_file, readers_file
from ddpm_core.commands.pictures import Pictures
from ddpm_core.engines.readers import fit_readers

pytestmark = pytest.mark.usefixtures("torch_engine")
SEEDS = [3, 5, 6, 7, 8, 9, 10, 12, 40]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    torch.set_num_threads(1)  # as in the processes that a test forks
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "tiny", scheduler={"num_train_timesteps": 20}, **SMALLEST)
    return tmp_path


def words(out: str, *more: str) -> list[str]:
    return ["sample", "--checkpoint", "tiny", "--steps", "3", "--seeds", "3,5-10,12,40", "--out", out, *more]


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refusal(*given: str) -> str:
    with pytest.raises(SystemExit) as ended, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pictures, "add", lambda *_: pytest.fail("pictures were drawn"))
        main([*given])
    assert str(ended.value.code).startswith("error: ") and "\n" not in str(ended.value.code)
    return str(ended.value.code)


def test_two_processes_write_what_one_writes(here):
    main(words("one", "--batch", "2"))
    main(words("one.npz"))
    in_two_processes(words("two", "--batch", "4"), main=main)
    in_two_processes(words("two.npz", "--batch", "2"), main=main)
    images = ddpm_core.sample(ddpm_core.load("tiny"), SEEDS, 3)
    assert contents(here / "one") == contents(here / "two")
    for seed, image in zip(SEEDS, images, strict=True):
        assert np.array_equal(np.asarray(Image.open(here / "one" / f"{seed}.png")), image)
    assert (here / "one.npz").read_bytes() == (here / "two.npz").read_bytes()
    with np.load(here / "one.npz") as kept:
        assert np.array_equal(kept["images"], images) and kept["seeds"].tolist() == SEEDS
    left = {"tiny", "one", "two", "one.npz", "two.npz"}
    assert {path.name for path in here.iterdir()} == left


def test_grey_pictures_have_a_last_axis_too(here):
    write(here / "grey", scheduler={"num_train_timesteps": 20}, in_channels=1, out_channels=1, **SMALLEST)
    main(["sample", "--checkpoint", "grey", "--steps", "2", "--seeds", "0-2", "--out", "grey.npz"])
    with np.load(here / "grey.npz") as kept:
        assert np.array_equal(kept["images"], ddpm_core.sample(ddpm_core.load("grey"), range(3), 2))


@pytest.mark.parametrize("out", ["some", "some.npz"])
def test_what_is_there_is_not_drawn_again(out, here, monkeypatch, capsys):
    main(words("whole" + out[4:]))
    add, drawn = Pictures.add, []

    def stopped(self, seeds, images):
        add(self, seeds, images)
        drawn.extend(seeds)
        if len(drawn) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(Pictures, "add", stopped)
    with pytest.raises(SystemExit, match="stopped"):
        main(words(out, "--batch", "2"))
    assert drawn == SEEDS[:4] and not (here / "some.npz").exists()
    main(words(out, "--batch", "3"))
    assert drawn == SEEDS
    main(words(out))  # all are there
    assert drawn == SEEDS and capsys.readouterr().out == f"9 images: whole{out[4:]}\n" + f"9 images: {out}\n" * 2
    if out == "some":
        assert contents(here / "some") == contents(here / "whole")
        main([*words(out)[:-4], "--seeds", "0", "--out", out])  # further seeds
        assert drawn == [*SEEDS, 0]
    else:
        assert (here / "some.npz").read_bytes() == (here / "whole.npz").read_bytes()


def test_pictures_of_another_run_are_named_before_any_work(here):
    main(words("own"))
    main(words("own.npz"))
    for out in ("own", "own.npz"):
        assert f"{out} holds pictures with other times" in refusal(*words(out)[:4], "2", *words(out)[5:])
        assert "other sampler, option eta" in refusal(*words(out), "--sampler", "ddim")
    assert "with other seeds" in refusal(*words("own.npz")[:-3], "1", "--out", "own.npz")
    (here / "own" / "sample.json").write_text("{")
    assert "sample.json is not what `sample` writes" in refusal(*words("own"))
    (here / "own" / "sample.json").unlink()
    assert "own holds pictures, but no sample.json" in refusal(*words("own"))
    np.savez(here / "other.npz", images=np.zeros(3))
    (here / "text.npz").write_text("no archive")
    for name in ("other.npz", "text.npz"):
        assert f"{name} is not what `sample` writes" in refusal(*words(name))


def test_a_name_that_is_no_folder_and_no_npz(here):
    (here / "file").write_text("")
    (here / "folder.npz").mkdir()
    for out in ("a.png", "file", "folder.npz"):
        assert "--out takes a folder, or the name of a file that ends in .npz" in refusal(*words(out))
    assert "leave out --grid and --gif" in refusal(*words("some", "--grid", "a.png"))
    assert "--batch takes 1 to 100,000 images" in refusal(*words("some", "--batch", "0"))
    assert "--batch goes with --out" in refusal(*words("some")[:-2], "--batch", "2")
    assert "no class" in refusal(*words("some", "--label", "dog")) and not (here / "some").exists()


OWN = """
from dataclasses import dataclass
from ddpm_core.samplers import DDIM

@dataclass(frozen=True)
class Weighted(DDIM):
    weights: tuple = (1.0, 2.0)

one, two = Weighted(), Weighted(eta=0.0)
"""


def test_samplers_of_ones_own_are_told_apart_by_their_names(here, monkeypatch):
    (here / "ones_own.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(here))
    main(words("own", "--sampler", "ones_own:one"))
    main(words("own", "--sampler", "ones_own:one"))  # it goes on, also with an option that JSON has as a list
    assert "holds pictures with other sampler:" in refusal(*words("own", "--sampler", "ones_own:two"))


def test_another_variance_estimate_makes_other_pictures(here):
    model = ddpm_core.load("tiny")
    size = model.image_size
    for first, value in (("own", 0), ("other", 255)):
        images = np.full((2, size, size, model.channels), value, np.uint8)
        gamma_file.write(model, estimate_gamma(model, images, [1, 20]))
        main(words(first, "--variance", "analytic"))
    assert "holds pictures with other gamma:" in refusal(*words("own", "--variance", "analytic"))


def test_a_picture_of_which_a_part_is_missing_is_drawn_again(here):
    """As a power cut leaves it: files are not flushed one by one."""
    main(words("whole"))
    for out in ("some", "some.npz"):
        main(words(out))
    folder = here / "some"
    damaged = {"3.png": b"", "5.png": b"\x89PNG", "7.png": (folder / "7.png").read_bytes()[:-1], "8.png": bytes(500)}
    for name, content in damaged.items():
        (folder / name).write_bytes(content)
    main(words("some"))
    assert contents(folder) == contents(here / "whole")
    (here / "some.npz.parts").mkdir()  # of an .npz file that is not complete
    for name, content in (contents(folder) | damaged).items():
        (here / "some.npz.parts" / name).write_bytes(content)
    (here / "some.npz").rename(here / "whole.npz")
    about = json.loads((folder / "sample.json").read_text()) | {"seeds": SEEDS}
    (here / "some.npz.parts" / "sample.json").write_text(json.dumps(about))
    main(words("some.npz"))
    assert (here / "some.npz").read_bytes() == (here / "whole.npz").read_bytes()


def test_readers_do_not_make_other_pictures(here, monkeypatch):
    """`train readers` writes them beside the weights: a run that was begun before goes on."""
    main(words("own"))
    model = ddpm_core.load("tiny")
    readers_file.write(model, fit_readers(model, 2, 2))
    assert "readers.safetensors" in {path.name for path in (here / "tiny").iterdir()}
    main([*words("own")[:-4], "--seeds", "0", "--out", "own"])
    assert (here / "own" / "0.png").exists()


def test_other_weights_make_other_pictures(here):
    main(words("own"))
    write(here / "tiny", seed=1, scheduler={"num_train_timesteps": 20}, **SMALLEST)
    assert "holds pictures with other files" in refusal(*words("own"))
