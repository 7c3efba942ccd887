/** The client of roomlog. `roomlog-js/react` has hooks over it. */

export type * from "./contract.gen.js";
export * from "./contract.gen.js";
export * from "./states.js";
export { Fold } from "./fold.js";
