// The worker in which the module runs. A crash costs it an instance; what never ends costs the worker.

import { Crash, Incomplete, Playground } from "../../playground.mjs";
import type { FromWorker, Question, ToWorker } from "./protocol";

let playground: Playground | null = null;

onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if ("module" in data) {
    playground = new Playground(data.module, data.rest);
    return;
  }
  if (playground) postMessage(answer(playground, data));
};

function answer(playground: Playground, { id, name, request }: Question): FromWorker {
  try {
    return { id, answer: playground.answer(name, request) as string };
  } catch (error) {
    if (error instanceof Incomplete) return { id, incomplete: true };
    const { overflowed, waits } = error instanceof Crash ? error : { overflowed: false, waits: false };
    return { id, crash: { message: error instanceof Error ? error.message : String(error), overflowed, waits } };
  }
}
