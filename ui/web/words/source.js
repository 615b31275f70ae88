// The words for choosing and drawing a picture.

/** The words of the control that chooses a picture. */
export const SOURCE = {
  picture: "A picture",
  given: "Pictures that come with the page",
  open: "My own picture",
  draw: "Draw my own",
  chosen: "The picture that you chose",
  square: "The square that is used: arrow keys move it",
  size: "Size of the square",
  sizeSpoken: "Size of the square, per cent of the shorter side",
  fitted: "The square as the model gets it",
  invert: "Swap light and dark",
};

/** The words of the drawing pad. */
export const DRAW = {
  title: "Draw a picture",
  sheet: "Sheet: draw here. Keys: arrows move the pen, Space puts it down and lifts it, Z undoes",
  undo: "Undo",
  clear: "Clear",
  done: "Use this drawing",
};
