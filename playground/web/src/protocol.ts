// What the module is asked, and what it answers: see playground/src.

/** A file by its text, its bytes in Base64, or the size of a sound. */
export type FileContent = string | { base64: string } | { size: number };
export type Files = Record<string, FileContent>;

/** Something that the caller does, in milliseconds from the beginning of the call, or of a turn of the caller. */
export interface Act {
  at: number;
  turn?: number;
  /** From which prompt of the turn. */
  part?: number;
  /** From the silence after the prompts. */
  silent?: boolean;
  keys?: string;
  hangs_up?: boolean;
  /** What is said; what an engine understands if that is something else, and how sure it is, in percent. */
  says?: string;
  heard?: string;
  confidence?: number;
}

/** Of random numbers: a text where it may be larger than a number here. */
export type Seed = number | string;

/** The options of `place_call`. */
export interface CallOptions {
  callerid?: string;
  name?: string;
  extension?: string;
  context?: string;
  dnid?: string;
  language?: string;
  time?: string;
  zone?: string;
  state?: string;
  voice?: string;
  args?: string[];
  missing?: string[];
  dial_status?: string[];
  ring_seconds?: number;
  dial_seconds?: number;
  gone_at?: number;
  params?: Record<string, string>;
  variables?: Record<string, string>;
  database?: Record<string, string>;
}

/** What a script asks of a service. */
export interface Request {
  function: string;
  service?: string;
  arguments: Record<string, unknown>;
  timeout?: number;
}

/** What a service answers to a request, as tests give it. */
export interface Answer {
  request: Request;
  answer: unknown;
}

/** What is in the store. */
export interface Store {
  values: Record<string, unknown>;
  boards: Record<string, { name: unknown; score: unknown }[]>;
}

/** A sound that is played: its name, its file if it is one of those given, and its length in milliseconds. */
export interface SoundFile {
  name: string;
  path: string | null;
  lasts: number | null;
}

/** What services answer, and what is in the store before the call. */
export interface Services {
  answers: Answer[];
  store: Store | null;
}

export interface PlayRequest {
  files: Files;
  script: string;
  seed: Seed;
  call: CallOptions;
  services: Services;
  acts: Act[];
  until: number;
}

export type PlayEvent = { at: number } & (
  | {
      is: "prompt";
      sound: string;
      name: string;
      words: string | null;
      language: string | null;
      files: SoundFile[];
      lasts: number | null;
      ends: number | null;
      keys: string | null;
      speech: boolean;
      /** Which turn of the caller it is; null if nothing is heard. */
      turn: number | null;
      /** Which prompt of that turn it is. */
      part: number;
    }
  | { is: "listens"; keys: string | null; speech: boolean; until: number | null; said: string[]; turn: number }
  | { is: "waits"; until: number | null }
  | { is: "key"; key: string; fate: "heard" | "ignored" | "dropped" }
  | { is: "says"; text: string; heard: boolean }
  | { is: "hangs_up" }
  | { is: "command"; function: string; text: string; script: string; line: number; by_host: boolean }
  | { is: "reply"; text: string }
  | {
      is: "asks";
      function: string;
      service: string;
      text: string;
      // Null if it is about speech.
      request: Request | null;
      lacks: boolean;
      script: string;
      line: number;
    }
  | { is: "answered"; failed: boolean; text: string }
  | { is: "prints"; text: string; script: string; line: number }
  | { is: "warns"; text: string }
  | { is: "frames"; frames: { function: string | null; variables: [string, string][] }[] }
  | { is: "variable"; name: string; value: string | null }
  | { is: "stored"; key: string; value: string | null }
);

export interface Fault {
  message: string;
  hint: string | null;
  script: string;
  line: number | null;
  column: number | null;
  rendered: string;
}

export interface Played {
  /** Seconds since 1970; 0 if the script can't be run. */
  began: number;
  events: PlayEvent[];
  cut: "until" | "commands" | null;
  length: number;
  status: string | null;
  goes_on: string | null;
  fault: Fault | null;
  store: Store | null;
}

/** A recorded call as a call of today's script. */
export interface Playable {
  recorded_script: string;
  /** The file that is its script now; null if there is none. */
  script: string | null;
  changed: boolean | null;
  seed: string;
  call: Omit<CallOptions, "time" | "dial_status"> & { time?: number; dial_status?: string };
  services: Services;
  acts: Act[];
  began: number;
  length: number;
  status: string | null;
  redacted: boolean;
  difference: { at: number; recorded_at: number; was: string; now: string | null } | null;
  notes: string[];
}

export interface Written {
  name: string;
  text: string | null;
  fault: Fault | null;
}

export interface Position {
  line: number;
  character: number;
}

export interface Range {
  start: Position;
  end: Position;
}

/** A finding of the checker, as language servers tell it. */
export interface Diagnostic {
  range: Range;
  severity?: number;
  code?: string;
  message: string;
}

export interface CompletionItem {
  label: string;
  kind?: number;
  detail?: string;
  sortText?: string;
  documentation?: string | { value: string };
  insertText?: string;
  textEdit?: { newText: string; range: Range };
}

export interface Hover {
  contents: string | { value: string };
  range?: Range;
}

export interface Location {
  uri: string;
  range: Range;
}

export interface WorkspaceEdit {
  changes?: Record<string, { range: Range; newText: string }[]>;
}

export interface CodeAction {
  title: string;
  diagnostics?: Diagnostic[];
  edit?: WorkspaceEdit;
  isPreferred?: boolean;
}

export interface DocumentSymbol {
  name: string;
  kind: number;
  detail?: string;
  selectionRange: Range;
}

export interface SignatureHelp {
  signatures: {
    label: string;
    documentation?: string | { value: string };
    parameters?: { label: string | [number, number]; documentation?: string | { value: string } }[];
    activeParameter?: number;
  }[];
  activeSignature?: number;
  activeParameter?: number;
}

export interface EditRequest {
  files: Files;
  file: string;
  method: string;
  params: Record<string, unknown>;
}

/** Lines of a file. */
export interface Span {
  file: string;
  first: number;
  last: number;
}

export interface DrawnNode {
  id: string;
  kind: string;
  title: string;
  detail: string;
  spans: Span[];
  /** The lines of a folded function, and of those it calls. */
  covers: Span[];
  folded: boolean;
  group: string | null;
}

export interface DrawnEdge {
  from: string;
  to: string;
  label: string;
  back: boolean;
}

/** The graph of a script. */
export interface Drawn {
  fault: Fault | null;
  nodes: DrawnNode[];
  edges: DrawnEdge[];
  groups: { id: string; title: string; parent: string | null; span: Span }[];
}

export interface GraphRequest {
  files: Files;
  script: string;
  unfolded: string[];
  all: boolean;
}

export interface TestName {
  file: string;
  name: string;
  line: number | null;
}

/** The last call of a test. */
export interface TestCall {
  script: string;
  seed: Seed;
  call: CallOptions;
  services: Services;
  acts: Act[];
  length: number;
  /** Whether it goes the same way without the test, which stands in for nothing else. */
  alone: boolean;
}

export interface TestFailure {
  message: string;
  /** Whether it only fails because there is no SQL here. */
  lacks_sql: boolean;
  in_test: Fault;
  /** The fault of the script, and where the script was. */
  of_script: Fault | null;
  position: Fault | null;
  printed: string[];
  rendered: string;
}

export interface TestResult extends TestName {
  passed: boolean;
  calls: number;
  length: number;
  seed: number;
  failure: TestFailure | null;
  call: TestCall | null;
}

/** What came of tests: of those that ran now, and the lines of all. */
export interface Ran {
  tests: TestName[];
  faults: [string, Fault][];
  results: TestResult[];
  left: number;
  coverage: [string, [number, boolean][]][];
}

export interface Problem {
  fault: Fault;
  seen: number;
  test: string;
}

/** What a storm found so far. */
export interface Found {
  calls: number;
  lines: number;
  unreached: [string, number, string][];
  problems: Problem[];
  fault: Fault | null;
}

export interface StormRequest {
  files: Files;
  script: string;
  seed: number;
  call: CallOptions;
  services: Services;
  calls: number;
}

/** The functions of the module. */
export interface Functions {
  test: { request: { files: Files; tests: string[]; seed: Seed; from: number; count: number }; answer: Ran };
  test_on: { request: { files: Files; count: number }; answer: Ran };
  storm: { request: StormRequest; answer: Found };
  storm_on: { request: { files: Files; calls: number }; answer: Found };
  play: { request: PlayRequest; answer: Played };
  as_test: { request: PlayRequest; answer: Written };
  edit: { request: EditRequest; answer: unknown };
  recorded: { request: { recording: string; files: Files }; answer: Playable };
  graph: { request: GraphRequest; answer: Drawn };
}

/** What goes to the worker. */
export type ToWorker = { module: WebAssembly.Module; rest: WebAssembly.Module | null } | Question;

/** A request to the module. */
export interface Question {
  id: number;
  name: keyof Functions;
  request: string;
}

/** What comes from it. */
export type FromWorker =
  | { id: number; answer: string }
  | { id: number; crash: { message: string; overflowed: boolean; waits: boolean } }
  // The first part of the module can't answer it alone.
  | { id: number; incomplete: true };
