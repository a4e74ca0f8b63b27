// What the panes of the page share: the files that are worked on, the call, and how to lead to a line.

import type { Call } from "./call";
import type { Client } from "./client";
import type { Folder } from "./folder";
import type { LineMarks } from "./marks";
import type { Project } from "./project";
import type { Act, CallOptions, Files, Seed, Services } from "./protocol";
import type { Server } from "./server";

export type View = "phone" | "script" | "graph" | "tests" | "live";

/** What happens to the page. */
export interface Happenings {
  /** Files have been edited, or others are worked on; soon after, once for several. */
  edited: () => void;
  /** The call, or its moment, is another one. At most once a frame. */
  moved: () => void;
  /** The caret is in another line of the editor, or in another file. */
  caret: (file: string, line: number) => void;
  /** Another view is shown. */
  viewed: (view: View) => void;
}

/** A call that is shown in the timeline: of the script, its seed and options, with what its caller did. */
export interface Shown {
  script: string;
  seed: Seed;
  call: CallOptions;
  services: Services;
  acts: Act[];
  position: number;
}

/** What main.ts provides of it. */
export interface Means {
  /** The studio that the page comes from, and its folder: null in the playground. */
  studio: { server: Server; folder: Folder } | null;
  call: Call;
  /** Answers of the editor and checker. What takes long has a client of its own. */
  helper: Client;
  /** Makes another client, with a worker of its own. */
  client: () => Client;
  project: () => Project;
  /** The files of the project, with the time zones they name: what the module is given. */
  files: () => Files;
  /** Shows a line of a file in the editor. */
  goTo: (file: string, line: number) => void;
  /** Shows a call in the timeline. */
  showCall: (shown: Shown) => void;
  /** Sets the text of a file, or makes it, as if it had been typed. */
  write: (file: string, text: string) => void;
  /** Shows a short notice. */
  say: (text: string) => void;
  /** Marks lines of files in the editor. */
  mark: (marks: Map<string, LineMarks>) => void;
  view: () => View;
  show: (view: View) => void;
}

type Listeners = { [H in keyof Happenings]: Happenings[H][] };

export interface Desk extends Means {
  on<H extends keyof Happenings>(happening: H, listener: Happenings[H]): void;
  tell<H extends keyof Happenings>(happening: H, ...what: Parameters<Happenings[H]>): void;
}

export function desk(means: Means): Desk {
  const listeners: Listeners = { edited: [], moved: [], caret: [], viewed: [] };
  return {
    ...means,
    on: (happening, listener) => {
      listeners[happening].push(listener);
    },
    tell: (happening, ...what) => {
      for (const listener of listeners[happening]) (listener as (...what: unknown[]) => void)(...what);
    },
  };
}
