// Tests of the script, and storms.

import type { Desk } from "./desk";

export function testsPane(_desk: Desk): void {
  // To be filled.
}
