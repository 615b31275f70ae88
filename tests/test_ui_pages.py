"""What a page's Clip and Images show when its model changes: what suits the model, unless the user has chosen."""

from types import SimpleNamespace

import pytest
from checkpoint_folders import write

import ui
from ui.runs.pace import Pace
from ui.runs.warmup import Warmup
from ui.tabs.denoise import controls
from ui.tabs.denoise.pages import Pages

CLIPS, DOES_NOT = SimpleNamespace(clip=True), SimpleNamespace(clip=False)
REQUEST = SimpleNamespace(session_hash="page")


@pytest.fixture
def pages():
    return Pages("first")


def test_clip_follows_each_model_that_is_chosen(pages):
    assert pages.clip(REQUEST, "a", DOES_NOT, True) is False
    assert pages.clip(REQUEST, "b", CLIPS, False) is True
    assert pages.clip(REQUEST, "a", DOES_NOT, True) is False


def test_a_users_clip_stays_for_the_model_it_was_set_for(pages):
    pages.clip(REQUEST, "a", DOES_NOT, True)
    assert pages.clip(REQUEST, "a", DOES_NOT, True) is True  # set since
    assert pages.clip(REQUEST, "b", DOES_NOT, True) is False


def test_a_links_clip_stays_for_the_links_model(pages):
    pages.clip(REQUEST, "first", CLIPS, True)
    pages.keep_clip(REQUEST, "a", True)
    assert pages.clip(REQUEST, "a", DOES_NOT, True) is True
    assert pages.says_clip(REQUEST, "a", True)


def test_before_a_model_is_known_clip_is_left_to_it_unless_the_user_says(pages):
    assert pages.clip(REQUEST, "a", None, True) is True
    assert not pages.says_clip(REQUEST, "a", True)  # so that the first run is the model's own
    assert pages.says_clip(REQUEST, "a", False)
    assert pages.clip(REQUEST, "a", DOES_NOT, True) is False
    pages.clip(REQUEST, "b", None, True)
    assert pages.clip(REQUEST, "b", CLIPS, False) is False  # the user's


@pytest.mark.parametrize("remember", [Pages.keep_clip, Pages.keep_count])
def test_pages_are_not_remembered_for_ever(pages, remember):
    """A script can say that it is as many pages as it likes."""
    value = (True,) * (remember is Pages.keep_clip)
    for number in range(300):
        remember(pages, SimpleNamespace(session_hash=f"page {number}"), "a", *value)
    assert len(pages._clips) + len(pages._counts) == Pages.LIMIT


def test_the_page_opens_with_its_models_own_clip(tmp_path, monkeypatch):
    monkeypatch.setattr(Warmup, "start", lambda self: None)
    write(tmp_path / "mine", scheduler={"clip_sample": False})
    for ref, own in ((str(tmp_path / "mine"), False), ("cifar10-tiny", True)):
        (clip,) = [block for block in ui.build(ref).blocks.values() if getattr(block, "elem_id", None) == "clip"]
        assert clip.value is own


def test_several_images_where_they_are_quick_or_the_model_came_with_the_project(pages, monkeypatch):
    monkeypatch.setattr(controls, "PACE", pace := Pace())
    assert pages.count(REQUEST, "mnist-tiny", 4) == 4  # Run may be pressed before its steps were timed
    assert pages.count(REQUEST, "a", 4) == 1
    pace.note("a", 1, 0.001)
    pace.note("mnist-tiny", 1, 1.0)
    assert pages.count(REQUEST, "b", 1) == 1
    assert pages.count(REQUEST, "a", 1) == 4
    assert pages.count(REQUEST, "mnist-tiny", 4) == 1
    assert pages.count(REQUEST, "a", 7) == 7  # the user's
