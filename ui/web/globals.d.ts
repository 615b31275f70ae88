import type { ForwardHandle } from "./forward/forward.js";
import type { LatentsHandle } from "./latents/latents.js";
import type { LikelihoodHandle } from "./likelihood/likelihood.js";
import type { PlaneHandle } from "./plane/plane.js";
import type { PlayerHandle } from "./player/player.js";
import type { TrainHandle } from "./train/train.js";

declare global {
  interface Window {
    /** The player on the page; ui/web/page/page.js and tests speak to it. */
    ddpmPlayer?: PlayerHandle;
    /** The model that was last chosen in Denoise. */
    ddpmModel?: string;
    /** The Forward tab; before it is opened, what it shall show then. */
    ddpmForward?: ForwardHandle;
    /** The Train tab, once it is opened. */
    ddpmTrain?: TrainHandle;
    /** The Latents tab; before it is opened, what it shall show then. */
    ddpmLatents?: LatentsHandle;
    /** The Likelihood tab; before it is opened, what it shall show then. */
    ddpmLikelihood?: LikelihoodHandle;
    /** The Plane tab; before it is opened, what it shall show then. */
    ddpmPlane?: PlaneHandle;
  }
}
