// The graph of the script.

import type { Desk } from "./desk";

export function graphPane(_desk: Desk): void {
  // To be filled.
}
