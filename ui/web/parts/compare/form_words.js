// The title of the part "A and B", which compares two runs.

export const TITLE = "A and B";
