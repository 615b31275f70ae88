"""Course: lessons, whose bar stays above what they open, and cards that go deeper.

A lesson is all here; the cards are in course.html, as they have formulas. Whatever a lesson or a card does not set has
its default.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from ddpm_core.checkpoint import refs
from ddpm_core.commands import defaults
from ddpm_core.plane import forward
from ui.models.services import Services
from ui.parts.part import Part
from ui.pictures.encoded import drawn
from ui.protocol import Asked, Cards, CourseQuestions
from ui.runs.log import Values

CARDS = Path(__file__).with_name("course.html")
# Measured once (docs/evaluating.md): {seeds, curves: [{side: cells of the white square, points: [(t, share)]}]}.
TOUCHES = json.loads(Path(__file__).with_name("touch_curves.json").read_text("utf-8"))
CARD = re.compile(r"<article data-name=\"([\w-]+)\" data-part=\"(\w+)\" data-values='(.*)'>")
DIGITS = {"checkpoint": "mnist-tiny"}
LATENT = "emoji-tiny"


def louder_from(picture: str, schedule: str) -> int:
    """The first t at which the noise in x_t has more variance than what is left of a drawn picture."""
    alpha_bar = forward.SCHEDULES[schedule]().alpha_bar
    variance = (drawn(picture) / 127.5).var()
    return int((variance * alpha_bar < 1 - alpha_bar).nonzero()[0])


@dataclass(frozen=True)
class Task:
    """A thing to do in a lesson after its first one.

    values: what it sets beside the lesson's own. Without any, it goes on with what is there, and has no button.
    """

    values: Mapping[str, str | float]
    todo: str
    button: str
    question: str
    answer: str


@dataclass(frozen=True)
class Lesson:
    """name: in an address. part, values: what it opens. goal, todo, question, answer: a sentence or two each.

    button: opens it again, and runs it. guesses: of which one is chosen before the answer is seen. curves: that belong
    to it, as a benchmark has written them. step: where the run of its button comes to rest, from 1; 0: at the last one.
    then: what there is to do after that.
    """

    name: str
    title: str
    minutes: int
    part: str
    values: Mapping[str, str | float]
    goal: str
    todo: str
    button: str
    question: str
    answer: str
    guesses: tuple[str, ...] = ()
    curves: Mapping[str, object] | None = None
    step: int = 0
    then: tuple[Task, ...] = ()


LESSONS = (
    Lesson(
        "noise-to-picture",
        "From noise to a picture",
        3,
        "watch",
        DIGITS | {"steps": 50, "variance": "beta_tilde", "seed": 13, "count": 4},
        "See what a diffusion model does: it begins with pure noise, and takes a little of it away in each step.",
        "Run the 50 steps. Then drag the slider under the pictures back and forth.",
        "Run 50 steps",
        "From which step on can you tell the four digits: in the picture now, and in the network's best guess?",
        "In the picture from about step 30, in the guess from about step 20. At step 10 the guess is a blur: the "
        "average of all digits that are still possible. It may change its mind on the way. First the large shapes "
        "are settled, then the details.",
    ),
    Lesson(
        "noising",
        "What noise destroys",
        3,
        "forward",
        {"picture": "lighthouse", "schedule": "linear", "t": 0, "seed": 13},
        "See how noise destroys a picture, in 1000 small steps. The model will learn to undo this. "
        "Nothing is learned here.",
        "Let t go from 0 to 1000. Then drag it back, slowly.",
        "Play t from 0 to 1000",
        f"From t = {louder_from('lighthouse', 'linear')} on the noise is stronger than this picture. Why can you still "
        "see the lighthouse at t = 400?",
        "Each pixel is mostly noise, but your eye averages over many pixels: noise cancels, a large shape does not. "
        "So details are lost first and large shapes last. On the way back the order is reversed.",
    ),
    Lesson(
        "memory",
        "How much a noisy picture still knows",
        3,
        "latents",
        DIGITS | {"mode": "reconstruct", "seed": 13, "count": 8, "steps": 20},
        "Find out when it is decided what a picture shows.",
        "One digit is noised up to four times t. Each result is denoised eight times, with different noise each time.",
        "Noise and denoise",
        "In which row do all eight show the same digit, and why not in the others?",
        "In the last one, t = 250: there the noisy picture still knows its digit, and only details are made up. At "
        "t = 500 some show it, and others do not. At t = 750 and 1000 it has forgotten, and the chains draw different "
        "digits. So the digit is decided in between.",
    ),
    Lesson(
        "decided",
        "When is it decided?",
        4,
        "watch",
        DIGITS | {"steps": 50, "variance": "beta_tilde", "seed": 14, "count": 1},
        "Change a picture on its way, and see what becomes of it. That depends on t.",
        "This run draws a 3. Drag the slider back to some t. Under the picture, take White and the smallest size. Draw "
        "a line down the left side of the 3: a second run goes on from there. Undo it, and try another t.",
        "Run 50 steps",
        "Your line closes the left side of the 3. At which t does that make it an 8? Guess first:",
        "Near t = 200. There the 3 is decided: your line stays as you drew it, and makes an 8 of it. Near t = 500 "
        "shapes are still open, and the network builds on whatever it finds: here it draws a 0 or a 6 around your "
        "line. Near t = 900 the line is one more grain among much noise, and the next steps take it away. The curve "
        f"counts {TOUCHES['seeds']} runs with white squares in the middle: these most often make another digit near "
        "t = 500.",
        ("near t = 900", "near t = 500", "near t = 200"),
        {"seeds": TOUCHES["seeds"], "curves": TOUCHES["curves"]},
    ),
    Lesson(
        "inside",
        "What does the middle know?",
        4,
        "network",
        DIGITS | {"label": "3", "seed": 7, "steps": 20},
        "Open the network while it draws a 3. The number beside each block says how much of the guess can be read "
        "from it.",
        "Look at step 1, where xₜ is noise alone. Compare the blocks on the way down, the middle and the way up.",
        "Draw a 3",
        "There is no 3 in the noise. Where does the 3 in the middle come from?",
        "From the class that you asked for, which goes into every block. The way down has found nothing yet, so it "
        "shows the mean of all digits. In the middle the class can be read, and the way up paints the mean of all "
        "threes. Go to step 15: now the way down sees strokes, too.",
        step=1,
        then=(
            Task(
                {"off": "skips 28", "first": 1, "last": 10},
                "Skips are short cuts from the way down to the way up. Cut the finest ones, 28×28, in the first ten "
                "steps. Look at the result. Then press “Steps 11 to 20” under “When”.",
                "Cut them early",
                "Which cut spoils the picture, the early or the late one? So what do these skips carry?",
                "The late one: it leaves specks everywhere. The skips carry the noise of each pixel. Late steps must "
                "say exactly which grain is noise, and the coarse blocks below can't hold that. Early steps only "
                "decide on large shapes: of 200 digits 198 are right. That is so in this network, which predicts v. "
                "One that draws digits by predicting ε needs these skips early, too: without them 40 of 100 are right. "
                "The network of CIFAR-10 needs them in every step.",
            ),
            Task(
                {"graft": "6"},
                "Take the middle from a run of 6. All other blocks still ask for a 3.",
                "Graft the 6",
                "Which digit wins, and what does that say about the 7 × 7 numbers in the middle?",
                "The 6: of 200 such runs 181 became the other digit. The middle decides what is drawn, and the other "
                "blocks paint it. Then press “Steps 1 to 10” under “When”: 138 of 200 stay as they were. The digit is "
                "decided in steps 6 to 15, and the graft ends too early.",
            ),
            Task(
                {"checkpoint": "cifar10-tiny", "label": "horse", "place": "45 60"},
                "If you like, look at a photo. A convolution sees only neighbours. With attention, a place also looks "
                "at far places. Draw a horse. The ring marks one place of it: press xₜ or x̂₀ at the top to move the "
                "ring. Then switch attention off.",
                "Draw a horse",
                "Where does a place on the horse look, and what is attention for?",
                "In this run it looks mostly at the horse’s body. Attention lets far places take something from each "
                "other. Without it this horse is lost: pixels of photos change by about 16 % of the way from black to "
                "white (RMS 0.31, of pixels in −1 to 1). Digits don’t need it: without attention 196 of 200 are still "
                "right.",
            ),
        ),
    ),
    Lesson(
        "by-itself",
        "It learned this by itself",
        4,
        "train",
        {"data": "digits", "length": "25600", "seed": 0},
        "A network learns to draw digits on your computer. Its weights begin as random numbers.",
        "Start it, and watch its samples for a minute. They begin with the same noise each time.",
        "Train a network",
        "What does it learn first, and what last: digits, black, strokes, spots?",
        "Black first: most of a digit’s picture is black. After 1,000 images there are white spots in the middle. "
        "After 3,000 they are strokes, and a few digits can be read. After 5,000 images 6 of 10 digits are right. "
        "After 10,000 it is more than 8. Nobody told it what a stroke is. It only learns to take noise away.",
        then=(
            Task(
                {},
                "Press Pause. Drag the slider under the samples to three moments: early, in the middle, now. Look at "
                "“Error at each t”, too.",
                "",
                "What does it know at each moment? Where does the curve stop falling first?",
                "The first samples are noise. Then it knows where digits are white, then strokes, then how strokes "
                "make digits. The curve stops first on the left, near t = T. There almost all is noise, and the best "
                "guess is an average. In the middle it still falls after 4,000 images.",
            ),
            Task(
                {"two": True, "prediction_b": "epsilon"},
                "Two networks learn from the same pictures and noise. B differs in one thing: it predicts the noise. "
                "Compare them after two minutes. Then change another thing in B.",
                "Train both",
                "Which one draws better? Look at “Error at each t”: where do they differ?",
                "A. Many of B’s pictures are grey or grainy, and the curves differ near t = T. There almost all is "
                "noise. So a small error in the noise is a large one in the picture. At other times both are alike. "
                "B’s loss is lower all the same, because it measures another thing.",
            ),
        ),
    ),
    Lesson(
        "which-noise",
        "Which noise is right?",
        4,
        "compare",
        DIGITS | {"steps": 10, "variance": "beta", "steps_b": 10, "variance_b": "beta_tilde", "seed": 13, "count": 4},
        "Each step also adds a little fresh noise. How much is right? The paper has two answers, β and β̃. A third one, "
        "analytic, lies between them.",
        "Run 10 large steps with each, from the same noise. Then choose 1000 steps for both.",
        "Run 10 steps of both",
        "Which lane is cleaner? Why? And with 1000 steps?",
        "B. With 10 steps β adds more noise than the next step can take away again, and what is left at the end stays "
        "in the picture. β̃ is smaller, and goes to 0 at the end. With 1000 small steps the two are almost the same, "
        "and it hardly matters.",
    ),
    Lesson(
        "two-steps",
        "A picture in two steps",
        3,
        "compare",
        DIGITS
        | {"label": "5", "steps": 2, "sampler": "ddim", "seed": 13, "count": 4}
        | {"checkpoint_b": "mnist-tiny-consistency", "steps_b": 2, "sampler_b": "consistency"},
        "Fifty steps are slow. A student network learns from its teacher to need only two.",
        "Let the teacher (A) and its student (B) draw the digit 5 in two steps, from the same noise.",
        "Run 2 steps of both",
        "What has the teacher drawn? Then give it 10 steps: does it need the student?",
        "From pure noise its best guess is the average of all fives, a blur, and two steps are too few to correct "
        "it. The student was trained to give the end result at once. With 10 steps the teacher draws good fives, "
        "too: the student saves time.",
    ),
    Lesson(
        "one-path",
        "One path",
        4,
        "watch",
        DIGITS | {"sampler": "ddim", "steps": 10, "seed": 13, "count": 4},
        "Diffusion, score and flow: three names for the same networks. See how to read one as any of them.",
        "Drag through ten recorded steps: the time on four clocks, and what the network says, read in five ways. "
        "Then run the same steps.",
        "Run the 10 steps",
        "A flow’s straight steps draw the same digit as the steps of DDIM. Why? And why so many names?",
        "What the network sees is a known mixture of picture and noise. If you know one of the two, you can work out "
        "the other, and their difference: all five readings say the same thing. DDIM and the flow both follow one "
        "reading to the next time, in other units. Each of their steps is straight; the path itself bends. The names "
        "come from three questions: how is noise undone (diffusion), where are pictures more likely (score), and how "
        "does noise move to pictures (flow)? What does differ is how a network is trained: which times it sees most, "
        "and in which reading its error is counted.",
    ),
)


@dataclass(frozen=True)
class Card:
    name: str
    part: str
    values: Mapping[str, str | float]


def cards() -> list[Card]:
    """What the cards of course.html open, but for those whose model is not here."""
    found = CARD.findall(CARDS.read_text(encoding="utf-8"))
    read = [Card(name, part, json.loads(html.unescape(values))) for name, part, values in found]
    return [card for card in read if card.values.get("checkpoint", defaults.CHECKPOINT) in refs.embedded()]


class CoursePart(Part):
    names = ("course",)

    def __init__(self, services: Services):
        super().__init__(services)
        answers: CourseQuestions = {"cards": self._cards}
        self.answer(answers)

    def initial(self) -> Values:
        return {"lessons": [asdict(lesson) for lesson in LESSONS]}

    def _cards(self, asked: Asked) -> Cards:
        """{} -> {html} of the cards."""
        text, here = CARDS.read_text(encoding="utf-8"), {card.name for card in cards()}
        for name in {name for name, *_ in CARD.findall(text)} - here:
            text = re.sub(rf'<article data-name="{name}".*?</article>', "", text, flags=re.DOTALL)
        return {"html": text}
