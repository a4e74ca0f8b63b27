// Which turn of the caller a moment belongs to. What the caller did stays with its turn when an edit moves it.

import type { PlayEvent } from "./protocol";

/** A prompt of a turn in which the caller may answer, or the silence after them. */
interface Turn {
  turn: number;
  part: number;
  silent: boolean;
}

/** A moment as so long after that begins. Turn 0 is the beginning of the call. */
export interface Place {
  turn: Turn;
  after: number;
}

/** Follows the turns of a call. */
export class Turns {
  #last: Turn = { turn: 0, part: 0, silent: false };
  #began = 0;

  /** Takes the next event. */
  take(event: PlayEvent): void {
    const next = turnOf(event);
    if (!next || compare(next, this.#last) === 0) return;
    this.#last = next;
    this.#began = event.at;
  }

  /** Returns the place of a moment at which the call is now. */
  place(at: number): Place {
    return { turn: this.#last, after: Math.max(0, at - this.#began) };
  }
}

function turnOf(event: PlayEvent): Turn | null {
  if (event.is === "listens") return { turn: event.turn, part: 0, silent: true };
  return event.is === "prompt" && event.turn !== null ? { turn: event.turn, part: event.part, silent: false } : null;
}

/** Compares which comes first. */
function compare(one: Turn, other: Turn): number {
  return one.turn - other.turn || Number(one.silent) - Number(other.silent) || one.part - other.part;
}

/** Returns the place of a moment: in the turn that has begun before it. */
export function placeOf(events: PlayEvent[], at: number): Place {
  const turns = new Turns();
  for (const event of events) {
    if (event.at >= at) break;
    turns.take(event);
  }
  return turns.place(at);
}

/** Returns the moment of a place in a call; null if the call doesn't get there. */
export function momentOf(events: PlayEvent[], { turn, after }: Place): number | null {
  if (turn.turn === 0) return after;
  for (const event of events) {
    const began = turnOf(event);
    if (began && compare(began, turn) >= 0) return event.at + after;
  }
  return null;
}
