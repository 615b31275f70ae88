/**
 * What a visitor can mend. Its message is a sentence for people, which says how. Every other error is a fault of ours: see
 * `failure` of words/units.js.
 */
export class UserError extends Error {}
