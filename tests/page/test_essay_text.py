"""The essay's text: short, in short sentences, and whole without its figures."""

import re
from html import unescape

import pytest

from ui import web
from ui.parts import course

PAGE = web.text("essay/essay.html")
MOST = 1300  # words of the essay
MOST_OF_ALL = 4400  # of the essay, the tour, the lessons and the cards: what is said twice is to go


def words(html: str) -> list[str]:
    """The words of HTML that people read, without formulas."""
    text = re.sub(r"<math.*?</math>|<!--.*?-->", " ", html, flags=re.S)
    return re.sub(r"<[^>]+>", "", unescape(text).replace("\u00a0", " ")).split()


BODY = PAGE[PAGE.index("<body>") : PAGE.index('<script type="application/json"')]
SECTIONS = re.findall(r'<section id="(\w+)">(.*?)</section>', PAGE, re.S)


def test_the_essay_is_short():
    assert len(words(re.sub(r"</(p|h\d|li|summary)>", " ", BODY))) <= MOST


def lesson_words(lesson: course.Lesson | course.Task) -> list[str]:
    """The words of a lesson, a screen of the tour, or a task of a lesson."""
    names = ("title", "goal", "todo", "button", "question", "answer")
    texts = [*(getattr(lesson, name, "") for name in names), *getattr(lesson, "guesses", ())]
    own = [word for text in texts for word in text.split()]
    return own + [word for task in getattr(lesson, "then", ()) for word in lesson_words(task)]


def test_the_essay_the_tour_the_lessons_and_the_cards_are_short_together():
    spaced = [
        re.sub(r"</(p|h\d|li|summary|td|th|caption|button|a)>", " ", html) for html in (BODY, course.CARDS.read_text())
    ]
    found = [*words(spaced[0]), *words(spaced[1])]
    found += [word for lesson in (*course.TOUR, *course.LESSONS) for word in lesson_words(lesson)]
    assert 3000 < len(found) < MOST_OF_ALL


@pytest.mark.parametrize(("name", "text"), SECTIONS, ids=[name for name, _ in SECTIONS])
def test_a_section_has_short_sentences_and_one_figure(name, text):
    for paragraph in re.findall(r"<p[^>]*>(.*?)</p>", text, re.S):
        for sentence in re.split(r"(?<=[.?!:])\s+(?=[A-Z“β])", " ".join(words(paragraph))):
            assert len(sentence.split()) <= 15, sentence
    assert text.count("<ddpm-figure") == text.count("<!-- still") == 1


def test_every_figure_has_its_picture_and_its_words_set_what_it_has():
    page = web.essay({"models": {}, "lab": ""}, "")
    for name in re.findall(r'<ddpm-figure name="(\w+)"', page):
        assert (web.FILES / f"examples/essay/{name}.webp").is_file()
        assert web.text(f"figures/kinds/{name}.js")
    assert page.count('loading="lazy"') == page.count("<ddpm-figure")
    for text in (text for _, text in SECTIONS if "data-set" in text):
        (figure,) = re.findall(r'<ddpm-figure name="(\w+)"', text)
        kind = web.text(f"figures/kinds/{figure}.js")
        for values in re.findall(r'data-set="([^"]+)"', text):
            for name in re.findall(r"(\w+)=", values):
                assert re.search(rf"controls: \{{[^}}]*\b{name}\b", kind), (figure, name)
