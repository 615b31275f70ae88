"""A model that a browser has trained, as a ZIP: the library, diffusers, the trainer and the page open it."""

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDPMPipeline
from safetensors.torch import load_file, save_file
from test_learned_pictures import answers
from test_local_network import CLOSE, ask, numbers
from training import make_folder

import ddpm_core
from train.__main__ import main

CHECKPOINTS = Path(ddpm_core.__file__).parents[1] / "checkpoints"
WEIGHTS = "diffusion_pytorch_model.safetensors"
pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="needs node")

RECIPE = {
    **{"prediction": "v", "times": "lognormal", "weight": "", "schedule": "linear", "widths": [8, 16, 24]},
    **{"lr": 0.003, "batch": 32, "average": 0.999, "dropout": 0.1, "images": 25600, "seed": 0, "starts": False},
}
DIGITS = {"kind": "digits", "count": 3000, "side": 28, "channels": 1, "classes": [str(i) for i in range(10)]}
OWN = {"kind": "own", "count": 40, "side": 32, "channels": 3, "classes": []}
KINDS = {
    "digits": (RECIPE, DIGITS),
    "flow": (RECIPE | {"prediction": "flow", "schedule": "flow", "dropout": 0}, DIGITS),
    "own": (RECIPE | {"prediction": "epsilon", "schedule": "cosine", "average": 0, "weight": "min_snr"}, OWN),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """The unzipped checkpoint of each kind, and the ZIPs beside them."""
    root = tmp_path_factory.mktemp("learned")
    asked = [
        (
            "checkpoint",
            {"recipe": recipe, "pictures": pictures, "title": f"My | {name}", "file": str(root / f"{name}.zip")},
        )
        for name, (recipe, pictures) in KINDS.items()
    ]
    assert answers(root, asked) == [None] * len(asked)
    for name in KINDS:
        zipfile.ZipFile(root / f"{name}.zip").extractall(root / name)
    return {name: root / name / "mine" for name in KINDS}


@pytest.mark.parametrize("name", KINDS)
def test_the_files_are_those_that_the_library_writes(folders, tmp_path, name):
    """But for diffusers' versions, as none made these files, and the ends of a cosine schedule, which has none."""
    model = ddpm_core.load(str(folders[name]), device="cpu")
    ddpm_core.save(model, tmp_path / "saved")
    assert {file.name for file in folders[name].iterdir()} == {file.name for file in (tmp_path / "saved").iterdir()} | {
        "README.md"
    }
    for file in (tmp_path / "saved").glob("*.json"):
        saved, ours = (json.loads((folder / file.name).read_text("utf-8")) for folder in (file.parent, folders[name]))
        assert ours.items() <= saved.items(), file.name
        assert saved.keys() - ours.keys() <= {"_diffusers_version", "beta_start", "beta_end"}, file.name
    tensors = load_file(folders[name] / WEIGHTS)
    save_file(tensors, tmp_path / WEIGHTS, {"format": "pt"})
    assert (folders[name] / WEIGHTS).read_bytes() == (tmp_path / WEIGHTS).read_bytes()


@pytest.mark.parametrize("name", KINDS)
def test_the_library_computes_what_the_page_does(folders, tmp_path, name):
    model = ddpm_core.load(str(folders[name]), device="cpu", precision="fp32", engine="torch")
    labels = {"labels": 3} if model.num_classes else {}
    run = {"steps": 3, "sampler": "ddim"} | ({"label": 3} if labels else {})
    [found] = ask(tmp_path, [{"folder": str(folders[name]), "runs": [{"seeds": ["5"], "lanes": [run]}]}])
    assert "error" not in found, found.get("error")
    *_, last = ddpm_core.trajectory(model, [5], steps=3, sampler="ddim", **labels)
    # Each of the three steps may add what one evaluation of the network does.
    assert abs(numbers(found["runs"][0][-1]["x"]) - last.x.numpy().ravel()).max() <= 3 * CLOSE


def test_diffusers_opens_it(folders):
    pipeline = DDPMPipeline.from_pretrained(folders["own"], local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(0)
    images = pipeline(batch_size=1, generator=generator, num_inference_steps=2, output_type="np").images
    assert images.shape == (1, 32, 32, 3) and np.isfinite(images).all()


def test_the_trainer_starts_from_it(folders, tmp_path):
    data = make_folder(tmp_path / "data", 10, classes=tuple(DIGITS["classes"]), size=(28, 28))
    words = ["fit", "--init", str(folders["digits"]), "--data", str(data), "--out", str(tmp_path / "run")]
    words += ["--steps", "2", "--batch", "4", "--sample-every", "0", "--device", "cpu", "--threads", "1"]
    assert main([*words, "--sample-count", "10", "--sample-steps", "2", "--checkpoint-every", "2"]) in (0, None)
    before, after = (load_file(folder / WEIGHTS) for folder in (folders["digits"], tmp_path / "run/model"))
    assert before.keys() == after.keys()
    far = max(float((before[key] - after[key]).abs().max()) for key in before)
    assert 0 < far < 0.1  # two steps from there


def test_the_card_says_how_it_was_trained(folders):
    text = (folders["digits"] / "README.md").read_text("utf-8")
    assert text.startswith("---\nlibrary_name: diffusers\n") and "\n# My \\| digits\n" in text
    for line in (
        "| Images | 3,000 digits of MNIST (CC BY-SA 3.0), 28×28, 1 channel |",
        "| Classes | 0, 1, 2, 3, 4, 5, 6, 7, 8, 9; label 10 means no label |",
        "| Trained | 800 steps of 32 images, 25,600 images seen, 2 min |",
        "| Prediction | v |",
    ):
        assert line in text.splitlines()


def test_the_page_opens_the_zip_again_and_refuses_others(folders, tmp_path):
    """Also one without a folder, packed, with files beside those of the model, and one in two folders."""
    with (
        zipfile.ZipFile(tmp_path / "mnist.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        zipfile.ZipFile(tmp_path / "deep.zip", "w") as deep,
    ):
        for file in (CHECKPOINTS / "mnist-tiny").iterdir():
            archive.write(file, file.name)
            deep.write(file, f"trained/mine/{file.name}")
        archive.writestr("notes/config.json", "mine")
    for name, content in (
        ("other", {"a.txt": "a"}),
        ("json", {"config.json": "{", "scheduler_config.json": "{}", WEIGHTS: ""}),
    ):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            for path, text in content.items():
                archive.writestr(path, text)
    (tmp_path / "none.zip").write_bytes(b"PK")
    own = folders["own"].parents[1] / "own.zip"
    files = (own, *(tmp_path / f"{name}.zip" for name in ("mnist", "deep", "other", "json", "none")))
    again, mnist, deep, other, broken, none = answers(tmp_path, [("zip", {"file": str(file)}) for file in files])
    for found, folder in ((again, folders["own"]), *((each, CHECKPOINTS / "mnist-tiny") for each in (mnist, deep))):
        found = {name: content.tobytes() for name, content in found}
        assert found == {file.name: file.read_bytes() for file in folder.iterdir()}
    assert other == {"error": "This ZIP holds no model that can be opened here: it has no config.json."}
    assert broken == {"error": "This ZIP is damaged: its file config.json can't be read."}
    assert none == {"error": "This file is no ZIP that can be read here, or it is cut off."}
