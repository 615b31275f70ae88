"""The files in which a browser gets the page's modules and style sheets."""

import json
import re
import subprocess

import pytest

from ui import web
from ui.web import scripts
from ui.web.scripts import COMMON, IMPORT, LATER, PAGE, WORKER

CLIENTS = ["local/client.js", web.CLIENT]


def held(client, file):
    """The modules that a bundle has, but for the one that runs at once."""
    return re.findall(r'^"(\S+)"\(\) \{$', scripts.scripts(client)[file], re.M)


@pytest.mark.parametrize("client", CLIENTS)
def test_every_module_is_in_one_file_and_runs_after_those_that_it_imports(client):
    files = scripts.scripts(client)
    bundles = [*held(client, COMMON), *held(client, PAGE), *held(client, WORKER), "app.js"]
    assert sorted([*bundles, *files]) == sorted([*scripts.modules(), COMMON, PAGE])
    order = scripts.imported("app.js", *scripts.FIRST, client, *scripts.FIRST_RUN, WORKER)
    for at, name in enumerate(order):
        assert {scripts.meant(name, path) for _, path in IMPORT.findall(scripts.module(name))} <= set(order[:at])


@pytest.mark.parametrize("client", CLIENTS)
def test_what_only_an_open_share_menu_needs_is_not_loaded_with_the_page(client):
    late = {"plans/scripts.js", "plans/pipelines.js", "words/literal.js", "run/slide.js", "run/saving.js"}
    assert late <= set(scripts.scripts(client))


@pytest.mark.parametrize("client", CLIENTS)
def test_what_only_a_training_needs_is_not_loaded_with_the_page(client):
    late = {name for name in scripts.modules() if name.startswith(("learning/", "parts/train/"))}
    late -= {"parts/train/index.js", "parts/train/form_words.js"}
    late |= {f"network/{name}.js" for name in ("batch_layers", "group_norm", "parameters", "tape", "winograd")}
    assert late <= set(scripts.scripts(client))


@pytest.mark.parametrize("client", CLIENTS)
def test_what_a_file_needs_of_a_bundle_is_there_on_the_page_and_in_the_worker(client):
    files = scripts.scripts(client)
    for opened, bundle in (("app.js", client), PAGE), ((WORKER,), WORKER):
        there = {*held(client, COMMON), *held(client, bundle)}
        reached = scripts.imported(*opened, later=True)
        for name in {*reached, *there, COMMON, bundle} & set(files):
            assert set(re.findall(r'\$need\("(.+?)"\)', files[name])) <= there, name
            assert not {scripts.meant(name, path) for _, path in IMPORT.findall(files[name])} & there, name
            assert name == COMMON or not LATER.search(files[name]), name


def test_a_module_in_a_bundle_exports_what_its_file_does(tmp_path):
    (tmp_path / COMMON).write_text(scripts.scripts(CLIENTS[0])[COMMON], encoding="utf-8")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    script = f"""
    const {{ $need }} = await import("{(tmp_path / COMMON).as_uri()}");
    const found = [];
    for (const name of {json.dumps(held(CLIENTS[0], COMMON))}) {{
      const own = await import(`{web.FILES.as_uri()}/${{name}}`);
      found.push([name, Object.keys($need(name)).sort(), Object.keys(own).sort()]);
    }}
    console.log(JSON.stringify(found));
    """
    done = subprocess.run(["node", "--input-type=module", "-e", script], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert len(found) > 20
    for name, here, there in found:
        assert here == there != [], name


def test_one_style_sheet_has_all_and_those_of_parts_last():
    assert web.style().index(web.text("base.css")) < web.style().index(web.text("parts/watch/style.css"))
    sheets = [file for file in web.FILES.rglob("*.css") if "node_modules" not in file.parts]
    assert len(sheets) > 10 and all(file.read_text("utf-8") in web.style() for file in sheets)
