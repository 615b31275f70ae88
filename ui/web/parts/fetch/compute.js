// A run that only downloads and loads its models. The page needs it because it can't plan any other run without the
// facts in the models' files.

/** @type {import("../../computing/computation.d.ts").Computation} */
export const computation = { record: () => null, compute: async () => {} };
