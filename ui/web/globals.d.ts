import type { ForwardHandle } from "./forward/forward.js";
import type { PlayerHandle } from "./player/player.js";
import type { TrainHandle } from "./train/train.js";

declare global {
  interface Window {
    /** The player on the page; ui/web/page/page.js and tests speak to it. */
    ddpmPlayer?: PlayerHandle;
    /** The Forward tab; before it is opened, what it shall show then. */
    ddpmForward?: ForwardHandle;
    /** The Train tab, once it is opened. */
    ddpmTrain?: TrainHandle;
  }
}
