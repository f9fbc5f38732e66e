import type { ArgDef, ArgsDef, ParsedArgs } from "citty";
import type { Logger } from "./log.ts";

/**
 * A flag or a positional argument, described as citty does it. Several values may be given for a `repeatable` one. The
 * alias of a flag is one letter. A flag with an `implied` value may be given without one: `--wait`, or `--wait=5m`.
 * What `completes` it on a command line are words, or names from a source. Values of an enum, files, namespaces and nodes are known
 * without it, the latter three by the valueHint.
 */
export type Arg = ArgDef & {
  repeatable?: boolean;
  alias?: string;
  implied?: string;
  completes?: readonly string[] | Source;
};
/** Names that only the kubeconfig (contexts) or the cluster knows. */
export type Source = "contexts" | "namespaces" | "nodes" | "onloads" | "pods";
/** The arguments of a subcommand by their kebab-case name. */
export type Args = Record<string, Arg>;

/**
 * The checked values of a subcommand's arguments. A repeatable argument has a list of values in the order given, which
 * may be empty. Any other argument has its value, else its default, else undefined.
 */
export type ArgValues<A extends Args> = {
  [Name in keyof A]: A[Name] extends { repeatable: true } ? string[] : ParsedArgs<A & ArgsDef>[Name];
};

/** What a running subcommand is given. */
export interface Context<A extends Args = Args> {
  args: ArgValues<A>;
  /** Aborted by the first SIGTERM or SIGINT. A second one ends the process. */
  signal: AbortSignal;
  log: Logger;
}

/** An example in `--help`: a command that works as written, and what it does. */
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
  /** Words that people know from other programs, with what does that here. They are no subcommands. */
  elsewhere?: Readonly<Record<string, string>>;
  /** Texts that `help TOPIC` prints beside the help of commands. Only the root has any. */
  topics?: Record<string, Topic>;
  /**
   * The names of a source, for the completion of command lines. Only the root has it.
   *
   * @param given values of the flags that say where to look: kubeconfig, context, namespace
   */
  names?(source: Source, given: Readonly<Record<string, string>>, signal: AbortSignal): Promise<readonly string[]>;
  /** Runs in a pod, where machines read its log: JSON by default, except on a terminal. */
  service?: true;
  /** Returns the exit code; nothing means 0. */
  run?(context: Context<A>): Promise<number | void>;
}

/** A text of `help`. */
export interface Topic {
  summary: string;
  /** @param columns of the screen; undefined if there is none */
  load(columns: number | undefined): Promise<string>;
}

/** A subcommand that is not loaded yet; its summary is repeated here so that the parent's `--help` loads nothing. */
export interface Lazy {
  summary: string;
  /** Not listed in the parent's `--help`, because only other programs call it. */
  hidden?: boolean;
  /** Listed last in the parent's `--help`: our own manifests call it. */
  inPods?: boolean;
  load(): Promise<Subcommand>;
}

/** Infers the types of a subcommand's arguments from its literal. */
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
    description: "Log format (default: text; in pods: json)",
  },
} as const satisfies Args;

/** Flags of every subcommand that talks to an API server. */
export const clusterArgs = {
  kubeconfig: {
    type: "string",
    valueHint: "FILE",
    description: "Kubeconfig file (default: $KUBECONFIG, ~/.kube/config, or the pod's own service account)",
  },
  context: {
    type: "string",
    valueHint: "NAME",
    completes: "contexts",
    description: "Context of the kubeconfig to use",
  },
} as const satisfies Args;
