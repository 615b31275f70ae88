// The texts of the part "Grid".

export const WORDS = {
  lead: "One seed, one start of noise: each cell is a whole run with its own steps. Press a cell to watch it.",
  watch: (/** @type {string} */ name) => `Watch: ${name}`,
};
