// Only a server computes the bound.

export const computation = null;
