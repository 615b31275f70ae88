// The texts of the part "A and B".

export const WORDS = {
  lane: (/** @type {string} */ name) => `Lane ${name}`,
  send: "What does each noise cost in bits?",
};

/** The texts around the recorded picture of four model families. */
export const FAMILIES = {
  title: "One noise, four families",
  picture: "Four rows of pictures, from the same noise to four digits 5",
  rows: [
    ["DDPM", "50 steps, noise β̃ₜ"],
    ["Score SDE", "50 steps, each after a Langevin correction"],
    ["Flow", "50 straight steps, no noise added"],
    ["Consistency", "a student, 2 steps"],
  ],
  about:
    "Recorded: seed 13, the digit 5. All rows begin with the same noise. The first three ask one network, read in three ways; the last one asks its student. None of the models that come with the page has learned its variance: those of the Hub’s DiT, and of OpenAI’s files, have.",
};
