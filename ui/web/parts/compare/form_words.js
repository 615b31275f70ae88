// What the form calls things: the title of the part.

export const TITLE = "A and B";
