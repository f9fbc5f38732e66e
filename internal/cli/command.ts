import type { ArgDef, ArgsDef, ParsedArgs } from "citty";
import type { Logger } from "./log.ts";

/** A flag or positional argument as citty describes it; `repeatable` ones may be given several times. */
export type Arg = ArgDef & { repeatable?: boolean };
/** The arguments of a subcommand by their kebab-case name. */
export type Args = Record<string, Arg>;

/** What a running subcommand is given. */
export interface Context<A extends Args = Args> {
  /** Checked values. Those of a repeatable flag are in `repeated`. */
  args: ParsedArgs<A & ArgsDef>;
  /** Every value of each repeatable flag, in order; an empty list where it was not given. */
  repeated: Record<string, string[]>;
  /** Aborted by the first SIGTERM or SIGINT. A second one ends the process. */
  signal: AbortSignal;
  log: Logger;
}

/** A line of `--help`: a command that works as written, and what it does. */
export interface Example {
  run: string;
  does: string;
}

/** One subcommand: a thin layer that checks its arguments and calls one function of `internal`. */
export interface Subcommand<A extends Args = Args> {
  /** One line, shown in the parent's list and at the top of `--help`. */
  summary: string;
  /** Further paragraphs of `--help`. */
  description?: string;
  args?: A;
  examples?: Example[];
  /** Loaded only when asked for, so that no subcommand pays for another's packages. */
  subcommands?: Record<string, Lazy>;
  /** Returns the exit code; nothing means 0. */
  run?(context: Context<A>): Promise<number | void>;
}

/** A subcommand that is not loaded yet; its summary stands here so that the parent's `--help` loads nothing. */
export interface Lazy {
  summary: string;
  /** Left out of the parent's list: for other programs to call, not for people. */
  hidden?: boolean;
  // A command's own argument types matter only inside its own file.
  load(): Promise<Subcommand<any>>;
}

/** Gives a subcommand's literal its types. */
export function defineSubcommand<const A extends Args>(command: Subcommand<A>): Subcommand<A> {
  return command;
}

/** Flags that every subcommand takes. */
export const commonArgs = {
  "log-level": {
    type: "enum",
    options: ["debug", "info", "warn", "error"],
    default: "info",
    description: "Least severe log lines to write",
  },
  "log-format": {
    type: "enum",
    options: ["text", "json"],
    description: "Log format (default: text on a terminal, else json)",
  },
} as const satisfies Args;

/** Flags of every subcommand that talks to an API server. */
export const clusterArgs = {
  kubeconfig: {
    type: "string",
    valueHint: "FILE",
    description: "Kubeconfig file (default: $KUBECONFIG, ~/.kube/config, or the pod's own service account)",
  },
  context: { type: "string", valueHint: "NAME", description: "Context of the kubeconfig to use" },
} as const satisfies Args;
