// The shipped scripts and their tables, which the build puts in.

declare module "samples" {
  export const samples: Record<string, string>;
}
