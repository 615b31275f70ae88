// The texts of the part "A and B".

export const WORDS = {
  lane: (/** @type {string} */ name) => `Run ${name}`,
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
    "Recorded: seed 13, the digit 5. All rows begin with the same noise. The first three use one network, read in three ways; the last one uses its student. Some models of the Hub (DiT) and of OpenAI’s files also learn the variance; none of the models of this page does.",
};
