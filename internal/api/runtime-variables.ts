/**
 * Environment variables by which somebody else's code, or a debugger, gets into the process of this program: the
 * JavaScript runtime and the C library read them before the program's first line. An image's own environment must set
 * none of them in a container of ours, and so must no shell.
 */

/** Of the JavaScript runtime. Tried with Bun 1.4.5: they run code, listen, connect or write a file. */
export const BUN_VARIABLES = [
  "BUN_OPTIONS",
  "BUN_BE_BUN",
  "BUN_INSPECT",
  "BUN_INSPECT_CONNECT_TO",
  "BUN_INSPECT_NOTIFY",
  "BUN_INSPECT_PRELOAD",
  "BUN_BYTECODE_ORDER_OUT",
  "NODE_OPTIONS",
] as const;

/** Of the dynamic loader. A user image may well set the first for its own applications. */
export const LOADER_VARIABLES = ["LD_PRELOAD", "LD_AUDIT"] as const;

/**
 * The values that our own manifests give to some of them: a small heap. With any options the runtime also loads what
 * BUN_INSPECT_PRELOAD names, and ends if that is empty; a part of the runtime itself does no harm.
 */
export const SMALL_HEAP = { BUN_OPTIONS: "--smol", BUN_INSPECT_PRELOAD: "node:path" } as const;
