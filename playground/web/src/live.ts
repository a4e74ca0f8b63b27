// The live calls of a server.

import type { Desk } from "./desk";

export function livePane(_desk: Desk): void {
  // To be filled.
}
