// The models are loaded, and nothing is computed: before their files are here, the page has no facts to plan a run with.

/** @type {import("../../computing/computation.d.ts").Computation} */
export const computation = { record: () => null, compute: async () => {} };
