// A training without a network, for tests: it has the interface of learning/training.js, and goes on when it is told.

/** Errors of a moment: they fall as it goes on. @param {number} step */
const errors = (step) => Array.from({ length: 8 }, (_, i) => (10 * (i + 1)) / (1 + step));

export class PretendTraining {
  state = "starting";
  onNews = () => {};
  step = 0;
  calls = [];

  constructor({ pictures, recipes }, snapshot) {
    Object.assign(this, { pictures, recipes, snapshot_: snapshot });
    this.step = snapshot?.step ?? 0;
    this.history = snapshot?.history ?? { losses: recipes.map(() => []), grids: [] };
  }

  #enter(state) {
    this.state = state;
    this.onNews({ kind: "state" });
  }

  async start() {
    this.calls.push("start");
    this.#enter("running");
  }

  pause = async () => this.#enter("paused");
  resume = async () => this.#enter("running");
  stop = async () => this.#enter("stopped");

  /** Take a step, and draw a grid where that is wanted. */
  go(isGrid = false) {
    this.step += 1;
    const losses = this.recipes.map(() => 1 / this.step);
    for (const [lane, loss] of losses.entries()) this.history.losses[lane].push(loss);
    const numbers = { step: this.step, images: this.step * this.recipes[0].batch, seconds: this.step, rate: 32 };
    this.onNews({ kind: "step", ...numbers, losses, left: 1 });
    if (!isGrid) return;
    const { side, channels } = this.pictures;
    const pixels = new Uint8Array(24 * side * side * channels).fill(this.step);
    const lanes = this.recipes.map(() => ({ averaged: pixels, latest: null, errors: errors(this.step), loss: 1 }));
    const grid = { ...numbers, lanes };
    this.history.grids.push(grid);
    this.onNews({ kind: "grid", grid });
  }

  finish() {
    this.#enter("finished");
  }

  fail(error) {
    this.onNews({ kind: "wrong", error });
    this.#enter("failed");
  }

  async snapshot() {
    const { losses, grids } = this.history;
    const history = { losses: losses.map((each) => [...each]), grids: [...grids] };
    const lanes = this.recipes.map((_, lane) => ({ averages: new Map([["lane", new Float32Array([lane])]]) }));
    return { recipes: this.recipes, step: this.step, seconds: this.step, lanes, history };
  }
}
