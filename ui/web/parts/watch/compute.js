import { lanes } from "../../computing/sampling.js";

export const computation = lanes;
