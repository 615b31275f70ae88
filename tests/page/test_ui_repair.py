"""Fill in what was erased, without a browser: completions as in the library and the script; tasks; what is refused."""

import base64
import io
import json
from typing import get_args

import numpy as np
import plans
import pytest
import toylab
from PIL import Image
from toylab import Models, decoded, results, saved

import ddpm_core
from ddpm_core import restore
from ui.parts.repair import GRADIENTS, GRID, Method, RepairPart
from ui.pictures import as_text
from ui.recorded import page
from ui.runs.asked import UNCLEAR

ASKED = {"checkpoint": "toy", "steps": 4, "count": 3, "seed": 7}
IMAGE = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
OWN = as_text.to_text(IMAGE)


def place(**options):
    return RepairPart(toylab.toy_services(Models(**options)))


def streamed(made, asked):
    return toylab.messages(made, "repair", ASKED | asked)


def described(made, asked):
    return plans.described(made, "repair", ASKED | asked)


def test_the_methods_are_the_librarys():
    offered = {field["name"]: field.get("names") for field in page.ask({"forms": "repair"})["fields"]}
    assert set(get_args(Method)) == restore.METHODS.keys() == set(offered["method"])
    assert offered["method_b"] == ["none", *offered["method"]] and {*GRADIENTS} <= restore.METHODS.keys()


@pytest.mark.parametrize("task", ["mask", "downsample", "grey", "blur"])
@pytest.mark.parametrize("own", [False, True])
def test_the_completions_are_those_of_the_library_and_of_the_script(task, own, run_script):
    made = place()
    model = made.services.models.model
    asked = {"task": task, "method_b": "pigdm"} | ({"picture": OWN} if own else {})
    run, messages = streamed(made, asked)
    assert messages[-1]["state"] == "finished", messages[-1]["text"]
    options = {"steps": 4, "variance": "beta_tilde"}
    picture = IMAGE[None] if own else ddpm_core.sample(model, [7], **options)
    shown, left = (decoded(result["x"]) for result in results(messages, "source"))
    np.testing.assert_array_equal(shown, picture)
    kernel = restore.gaussian_kernel(2, 8)
    half = restore.mask(np.arange(8) < np.full((8, 1), 4))
    A = {"mask": half, "downsample": restore.downsample(4), "grey": restore.grey(), "blur": restore.blur(kernel, 8)}[
        task
    ]
    y = A(ddpm_core.from_uint8(picture))
    np.testing.assert_array_equal(left[0, -1, -1], np.broadcast_to(ddpm_core.to_uint8(y)[0, -1, -1], 3))
    for row, method in enumerate(("ddnm", "pigdm")):
        *_, last = restore.restore(model, y, A, method, [8, 9, 10], **options)
        expected = ddpm_core.to_uint8(last.x)
        (end,) = [result for result in results(messages, "step") if result["row"] == row and result["s"] == 0]
        np.testing.assert_array_equal(decoded(end["x"]), expected)
        end = results(messages, "row")[row]
        assert end["spread"] == pytest.approx(np.sqrt(expected.var(0).mean()))
        assert end["gap"] == pytest.approx(127.5 * (A(last.x) - y).square().mean().sqrt().item(), abs=1e-4)
    assert len(results(messages, "map")) == 2

    written = run_script(described(made, asked)["python"], model) / f"{task}.png"
    files = saved(made, "repair", run, "png", "gif")
    name, png = files["png"]
    assert name == f"toy-{task}-seed-7.png"
    np.testing.assert_array_equal(np.asarray(Image.open(written)), np.asarray(Image.open(io.BytesIO(png))))
    about = json.loads(Image.open(io.BytesIO(files["gif"][1])).info["comment"])
    assert about["picture"] == ("own" if own else "sample") and (about["task"], about["method_b"]) == (task, "pigdm")


def test_a_sampler_with_a_memory_completes_where_the_method_allows_it():
    assert streamed(place(), {"sampler": "unipc"})[1][-1]["state"] == "finished"


def test_all_work_is_counted():
    """Also that of the methods that evaluate more often, or with gradients."""
    for method in restore.METHODS:
        run, messages = streamed(place(), {"method": method, "steps": 11})
        assert messages[-1]["state"] == "finished" and dict(run.done) == run.plan.steps, method


def hidden(cells):
    return base64.urlsafe_b64encode(np.packbits(cells).tobytes()).decode()


@pytest.mark.parametrize("size", [8, 28, 32, 64])
def test_what_is_erased_is_the_same_at_every_size(size):
    cells = np.zeros((GRID, GRID), bool)
    cells[:8, 16:] = True
    known = toylab.requested(place(size=size), "repair", ASKED | {"hidden": hidden(cells)}).request.known(size)
    assert not known[: size // 4, size // 2 :].any() and known.sum() == size**2 * 7 / 8


@pytest.mark.parametrize(
    "asked, sentence",
    [
        ({"hidden": "AAAA"}, "Paint it again"),
        ({"hidden": "§"}, "Paint it again"),
        ({"hidden": ""}, "Paint over a part"),
        ({"hidden": hidden(np.ones((GRID, GRID), bool))}, "not over all of it"),
        ({"method": "ddrm"}, "choose from ddnm"),
        ({"task": "dream"}, "no task"),
        ({"count": 1}, "from 2 to 16"),
        ({"steps": 101}, "from 1 to 100"),
        ({"picture": "x"}, "model's size"),
        ({"label": "7"}, "no classes"),
        ({"sampler": "unipc", "method_b": "dps"}, "remembers earlier steps"),
    ],
)
def test_what_is_wrong_is_said_while_the_user_chooses(asked, sentence):
    assert sentence in described(place(), asked)


@pytest.mark.parametrize(
    "change",
    [
        {"hidden": "AAAA"},
        {"hidden": "§"},
        {"hidden": ""},
        {"hidden": hidden(np.ones((GRID, GRID), bool))},
        {"methods": ["ddrm"]},
        {"methods": []},
        {"methods": ["ddnm"] * 3},
        {"task": "dream"},
        {"seeds": [True]},
        {"seeds": []},
        {"source": {"seed": 7, "own": None}},
        {"count": 3},
    ],
    ids=str,
)
def test_what_no_page_asks_is_refused(change):
    made = place()
    asked = toylab.requested_of(made.services, "repair", ASKED)
    with pytest.raises(ValueError, match=UNCLEAR):
        made.request(asked | change).plan([made.services.models.model])


@pytest.mark.parametrize(("model", "task"), [({"channels": 1}, "grey"), ({"size": 9}, "downsample")])
def test_a_task_that_no_page_offers_for_a_model_is_refused(model, task):
    made = place(**model)
    asked = toylab.requested_of(made.services, "repair", ASKED)
    with pytest.raises(ValueError, match=UNCLEAR):
        made.request(asked | {"task": task}).plan([made.services.models.model])


def test_what_the_model_can_not_do_is_refused_by_the_server_too():
    made = place()
    asked = toylab.requested_of(made.services, "repair", ASKED | {"sampler": "unipc"})
    with pytest.raises(ValueError, match="remembers earlier steps"):
        made.request(asked | {"methods": ["dps"]}).plan([made.services.models.model])
    with pytest.raises(ValueError, match="model's size"):
        made.request(asked | {"source": {"seed": 7, "own": "x"}}).plan([made.services.models.model])


def test_a_task_that_the_pictures_are_not_for_is_refused():
    assert "no colour" in described(place(channels=1), {"task": "grey"})
    assert "4 times smaller" in described(place(size=9), {"task": "downsample"})
