// The title of the part that compares two lanes.

export const TITLE = "A and B";
