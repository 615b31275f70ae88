// A run that only downloads and loads its models. If a model's files are missing, the page begins such a run first,
// because a plan needs the facts in these files.

/** @type {import("../../computing/computation.d.ts").Computation} */
export const computation = { record: () => null, compute: async () => {} };
