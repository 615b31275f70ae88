// The browser can't compute this part: only a server measures the bound.

export const computation = null;
