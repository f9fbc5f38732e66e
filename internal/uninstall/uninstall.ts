/**
 * Removes Onload from a cluster, in the order that strands nothing:
 *
 * 1. the Onload resources, while somebody serves their finalizer, until every node is clean
 * 2. the operator's Deployment, and then its policies, rights and namespace
 * 3. the CRD, if asked for
 *
 * Each part may find that it is done already: a run that was interrupted is completed by the next.
 */
import type { Logger } from "../cli/log.ts";
import type { Client } from "../kube/client.ts";
import { cleanNodes } from "./clean.ts";
import { findInstalled } from "./installed.ts";
import { isNothing, leftOver, outline } from "./outline.ts";
import { removeInstalled } from "./remove.ts";
import { survey } from "./survey.ts";

export interface UninstallOptions {
  client: Client;
  log: Logger;
  /** undefined: it is found. */
  operatorNamespace: string | undefined;
  /** Whether the CRD goes too. */
  crd: boolean;
  /** Whether to show only what would be done. */
  dryRun: boolean;
  /** How long nothing may move while nodes are cleaned, in milliseconds. */
  timeoutMs: number;
  /** Shows what will be done. */
  print: (text: string) => void;
  /** Columns of the screen on which that is seen; undefined if there is none. */
  columns?: number | undefined;
  /** Shows a line of progress. */
  say: (line: string) => void;
  /** Asks a person. */
  confirm: () => Promise<boolean>;
}

/** done: nothing is left to do, or --dry-run has shown it. declined: the person said no. */
export type Outcome = "done" | "declined";

/**
 * Shows what will be done, asks, and does it.
 *
 * @throws Error with what to do if it cannot be done, or not now
 */
export async function uninstall(options: UninstallOptions, signal: AbortSignal): Promise<Outcome> {
  const { client, log, crd, print, say } = options;
  const found = await survey(client, options.operatorNamespace, log, signal);
  if (isNothing(found, crd)) {
    say("Nothing to remove: there is no Onload resource, and no operator");
    for (const each of found.leftovers) say(leftOver(each));
    return "done";
  }
  print(outline(found, crd, options.columns));
  if (options.dryRun) return "done";
  const { onloads, worker, namespace, kinds } = found;
  if (onloads.length > 0 && worker.who === "nobody") throw new Error(`Cannot uninstall: ${worker.why}`);
  if (!(await options.confirm())) return "declined";
  if (onloads.length > 0) {
    await cleanNodes({ client, log, namespace, agreed: onloads, worker, timeoutMs: options.timeoutMs, say }, signal);
    say("Every node is clean, and no Onload resource is left");
  }
  // Cleaning may have made the namespace, for the Lease.
  const { ours } = await findInstalled(client, kinds, namespace, signal);
  const kept = await removeInstalled({ client, kinds, namespace, crd, say }, ours, signal);
  for (const each of kept) say(`Kept ${each}`);
  say("Uninstalled");
  return "done";
}
