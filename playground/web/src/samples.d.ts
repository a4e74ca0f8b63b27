// The shipped scripts and their tables, which the build puts in.

declare module "samples" {
  export const recordings: Record<string, number>;
  export const samples: Record<string, string>;
}
