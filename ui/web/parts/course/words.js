// The texts of the part "Course": the list of lessons, the bars, the figure of the lesson "One path", and the notes for
// teachers.

export const WORDS = {
  lessons: (/** @type {number} */ count, /** @type {number} */ minutes) => `${count} lessons, ${minutes} minutes`,
  about: "Each lesson has a task and a question.",
  deeper: "Deeper",
  ideas: "What the essay leaves out: published numbers, formulas and pages of the papers.",
  teachers: "For teachers",
  link: "Link to this idea",
};

/** For each lesson, a description of its picture for screen readers. @type {Record<string, string>} */
export const PICTURES = {
  "noise-to-picture": "Noise becomes a 0, in five pictures.",
  noising: "A lighthouse disappears in noise.",
  memory: "Five different digits, and below them five alike.",
  decided: "A 3; a line drawn into its noise makes it a 0, or later an 8.",
  inside: "Guesses that become a 3, and below them a 6.",
  "by-itself": "Five digits at three moments of a training, each time clearer.",
  "which-noise": "Four grainy digits, and below them four clean ones.",
  "two-steps": "Four blurred fives, and below them four sharp ones.",
  "one-path": "Noise becomes a 9; below it the guesses, first a blur.",
};

/** The texts of a lesson's bar. */
export const BAR = {
  previous: "Previous lesson",
  on: "Next lesson ▸",
  skip: (/** @type {number} */ lesson) => `Skip to lesson ${lesson}`,
  deeper: "Deeper ▸",
  all: "Lessons",
  place: (/** @type {number} */ at, /** @type {number} */ count) => `Lesson ${at} of ${count}`,
  title: (/** @type {number} */ at, /** @type {string} */ title) => `Lesson ${at}: ${title}`,
  again: "Back to it",
  end: "End the course",
  lesson: "The lesson",
  answer: "Answer",
  further: (/** @type {number} */ part, /** @type {number} */ parts) => `Next part (${part} of ${parts}) ▸`,
  guess: "Your guess",
  minutes: (/** @type {number} */ minutes) => `${minutes} min`,
  part: (/** @type {number} */ minutes, /** @type {number} */ part, /** @type {number} */ parts) =>
    `${minutes} min, part ${part} of ${parts}`,
  touches: (/** @type {number} */ seeds) => `Share of ${seeds} runs that became another digit, by the t of the change`,
  cells: (/** @type {number} */ side) => (side > 1 ? `${side} × ${side} cells` : "one cell"),
  copied: (/** @type {boolean} */ copied, /** @type {string} */ why) => (copied ? `Copied. ${why}` : why),
  controls:
    "Set up the page as your class should find it. Students get the controls that are ticked; this lesson needs these:",
  others: "Other controls",
  copy: "Copy the link for my class",
};

/** The texts of the bar of the tour. */
export const TOUR = {
  previous: "Previous screen",
  next: "Next ▸",
  card: "Make your card ▸",
  all: "Screens of the tour",
  place: (/** @type {number} */ at, /** @type {number} */ count) => `${at} of ${count}`,
  title: (/** @type {string} */ title) => `Tour: ${title}`,
  end: "End the tour",
};

/** The texts of the figure of the lesson "One path". */
export const PATH = {
  /** The title and the explanation of each row of the recorded picture. */
  rows: [
    ["DDIM", "xₜ of each step"],
    ["Flow", "x of its straight steps"],
    ["x̂₀", "the picture behind x"],
    ["ε", "the noise in x"],
    ["v", "√ᾱ ε − √(1 − ᾱ) x̂₀"],
    ["Score", "−ε / √(1 − ᾱ)"],
    ["Flow’s u", "ε − x̂₀"],
  ],
  step: "Step",
  sees: (/** @type {number} */ step, /** @type {number} */ steps, /** @type {string[]} */ clocks) =>
    `Step ${step} of ${steps} sees x at ${clocks.join(", ")}`,
  end: "The end: both have drawn",
  note: "Seed 13. DDIM’s x and the flow’s x, in DDIM’s units, differ by at most one of 255 grey levels. ε, v, score and u are no pictures: they are scaled to be visible.",
};

/** A row of the lesson plan. lessons: the names of the lessons in this row. @typedef {[minutes: string, who: string, lessons: string[], text: string]} Row */

/** @type {Row[]} */
const PLAN = [
  ["0–5", "together", ["noise-to-picture"], "on the wall (press F)"],
  ["5–15", "in pairs", ["noising", "memory"], ""],
  ["15–20", "together", [], "Compare the answers: what does a noisy picture still know?"],
  ["20–32", "in pairs", ["decided", "which-noise"], "guess before you open the answers"],
  ["32–40", "in pairs", ["by-itself"], "while it learns: what does it know by now?"],
  ["40–45", "together", [], "When was the digit decided? Who has drawn an 8?"],
  ["later", "at home", ["inside", "two-steps", "one-path"], "and notebook 1"],
];

/** The notes for teachers: for each note its title, then its text or the rows of its table. @type {[name: string, about: string | Row[]][]} */
export const TEACHERS = [
  ["A plan for 45 minutes", PLAN],
  [
    "Thirty students at once",
    "A folder of “python -m ui.static” is best for a class. Each browser computes for itself, so more students cost nothing. The page and its first run load 1.5 MB. One computer for all works, too: 50 runs of 20 steps took 5 to 8 seconds in all (digits, two cores). It accepts 40 runs at once, and 20 of one address. Behind a school’s router, a class has one address. Then start it with “--limit waiting_runs=100”: that allows 54.",
  ],
  [
    "Thirty students, thirty models",
    "In “It learned this by itself” each browser trains its own network. There is nothing to install, and nothing leaves a computer. With two free cores, most digits can be read after a minute. The page says how long a slower computer takes. “Keep” saves a model as a ZIP of 2.8 MB. Every page of the lab opens it.",
  ],
  [
    "Notebooks",
    "In six notebooks students write the equations themselves. Each takes 8 to 40 minutes on two CPU cores and checks every function. They are in the project's folder “course”: 1_forward.ipynb, 2_learning.ipynb, 3_back.ipynb, 4_faster.ipynb, 5_score.ipynb and 6_inside.ipynb. “teaching.md” there has a plan for 90 minutes.",
  ],
  [
    "A link for your class",
    "Open a lesson and set up the page as your class should find it. Under “For teachers” in the lesson, tick the controls that students may use. Then copy the link: one link serves all thirty.",
  ],
  [
    "The answers",
    "Each lesson has its answer under “Answer”. “teaching.md” has those of the notebooks, and the folder “course/solutions” has the functions.",
  ],
  [
    "Projector",
    "Press F. The pictures fill the wall, and Q shows a large code of the link. F or Escape brings the page back.",
  ],
  [
    "What to install",
    "For the page, students need only a browser. Run “python app.py --host 0.0.0.0” on your computer, and everybody in the room can open it. Or put the folder of “python -m ui.static” on any web server. For the notebooks, each laptop needs Python, 1.5 GB of disk, and the internet once: “pip install -r course/requirements.txt”, then “jupyter lab course”.",
  ],
];
