// The worker in which the module runs. A crash costs it an instance; what never ends costs the worker.

import { Crash, Playground } from "../../playground.mjs";
import type { FromWorker, ToWorker } from "./protocol";

let playground: Playground | null = null;

onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if ("module" in data) {
    playground = new Playground(data.module);
    return;
  }
  if (playground) postMessage(answer(playground, data));
};

function answer(playground: Playground, { id, name, request }: Exclude<ToWorker, { module: unknown }>): FromWorker {
  try {
    return { id, answer: playground.answer(name, request) as string };
  } catch (error) {
    const { overflowed, waits } = error instanceof Crash ? error : { overflowed: false, waits: false };
    return { id, crash: { message: error instanceof Error ? error.message : String(error), overflowed, waits } };
  }
}
