/** Deletes the Onload resources, and waits until every node is clean. */
import { errorText } from "../cli/errors.ts";
import type { Logger } from "../cli/log.ts";
import { FINALIZER } from "../api/names.ts";
import { ONLOADS } from "../api/resources.ts";
import type { Client } from "../kube/client.ts";
import { sleep } from "../kube/clock.ts";
import { isConflict, isOutage } from "../kube/errors.ts";
import { describeRef, refOf } from "../kube/resource.ts";
import type { RawOnload } from "../operator/cache/caches.ts";
import { Session, type ObservedResource } from "../operator/view/session.ts";
import { describeStatus } from "../operator/view/status-view.ts";
import type { Serving } from "../operator/view/serving.ts";
import { Obstacles } from "./obstacles.ts";
import { cleaningProgress } from "./progress.ts";
import { admitStandIn } from "./admit-stand-in.ts";
import { listOrNone } from "./onloads.ts";
import { leaseNamespace, StandIn } from "./stand-in.ts";
import { Stillness } from "./stillness.ts";
import { workerFor, type Worker } from "./worker.ts";

/** What cleaning needs to know. */
export interface CleaningOptions {
  client: Client;
  log: Logger;
  /** The operator's namespace. */
  namespace: string;
  /** The resources that a person has seen and agreed to delete. */
  agreed: readonly RawOnload[];
  /** Who cleans the nodes, as the person has seen it. */
  worker: Worker;
  /** How long nothing may move, in milliseconds. */
  timeoutMs: number;
  /** Shows a line of progress. */
  say: (line: string) => void;
}

/** How often to look if no event comes: that an operator has gone is no event. */
const TICK_MS = 2000;
/** The shortest time between two looks. */
const REST_MS = 200;

const AGAIN = "run `onloadctl uninstall` again to go on";

/**
 * Deletes the resources and waits until all are gone. It can be interrupted and called again.
 *
 * @throws Error if nothing moves for too long, nobody can clean the nodes, or somebody makes a resource meanwhile
 */
export async function cleanNodes(options: CleaningOptions, signal: AbortSignal): Promise<void> {
  const { client, log, agreed, say, worker } = options;
  // The youngest first: a node that an older one lets go of would go to a younger one.
  for (const raw of agreed.toSorted((a, b) => created(b).localeCompare(created(a)))) {
    if (raw.metadata.deletionTimestamp) continue;
    // Without its finalizer it would be gone before its nodes are clean. Another operator adds its own.
    if (worker.who === "this") await holdOnload(client, raw, signal);
    await deleteOnload(client, raw, signal);
    say(`Deleted ${describeRef(ONLOADS, refOf(raw))}`);
  }
  // With the last resource its kind may be gone too.
  if ((await listOrNone(client, signal)).length === 0) return;
  let wake: () => void = () => undefined;
  const session = await Session.open(client, undefined, log, signal, () => wake());
  const standIn = new StandIn(client, log);
  try {
    await wait(options, session, standIn, (next) => (wake = next), signal);
  } finally {
    await standIn.stop();
    await session.close();
  }
}

function created({ metadata }: RawOnload): string {
  return `${metadata.creationTimestamp ?? ""} ${metadata.namespace}/${metadata.name}`;
}

async function holdOnload(client: Client, { metadata }: RawOnload, signal: AbortSignal): Promise<void> {
  const { finalizers = [], resourceVersion } = metadata;
  if (finalizers.includes(FINALIZER)) return;
  const patch = { metadata: { finalizers: [...finalizers, FINALIZER] } };
  await client.mergePatch(ONLOADS, refOf({ metadata }), patch, { resourceVersion, signal });
}

async function deleteOnload(client: Client, raw: RawOnload, signal: AbortSignal): Promise<void> {
  try {
    await client.delete(ONLOADS, refOf(raw), { uid: raw.metadata.uid, signal });
  } catch (error) {
    if (!isConflict(error)) throw error;
    throw new Error(`Cannot delete ${describeRef(ONLOADS, refOf(raw))}: it was made again meanwhile; ${AGAIN}`, {
      cause: error,
    });
  }
}

async function wait(
  options: CleaningOptions,
  session: Session,
  standIn: StandIn,
  onWake: (wake: () => void) => void,
  signal: AbortSignal,
): Promise<void> {
  const { agreed, say, timeoutMs } = options;
  const known = new Set(agreed.map(({ metadata }) => metadata.uid));
  const obstacles = new Obstacles(session);
  const stillness = new Stillness(timeoutMs);
  let shown = "";
  let position = "";
  for (;;) {
    const woken = new Promise<void>((resolve) => onWake(resolve));
    let text: string;
    try {
      const now = Date.now();
      const observed = await session.observe(undefined, now, signal);
      if (observed.length === 0) return;
      refuseNew(observed, known);
      const serving = await session.serving(now, signal);
      await ensureWorker(options, observed[0]!, serving, standIn, signal);
      const progress = cleaningProgress(describeStatus(observed), await obstacles.of(observed, signal));
      position = progress.position;
      text = [...progress.lines, ...hindrances(serving, standIn)].join("\n");
    } catch (error) {
      if (!isOutage(error)) throw error;
      text = errorText(error);
    }
    const still = stillness.look(position, performance.now());
    if (still.expired) {
      throw new Error(
        `Cannot clean the nodes: nothing has moved for ${still.age}: ${text}; correct what holds them, and ${AGAIN}`,
      );
    }
    if (still.remind) say(`Nothing has moved for ${still.age}:\n${text}`);
    else if (text !== shown) say(text);
    shown = text;
    await Promise.race([woken, sleep(TICK_MS, signal)]);
    // Changes come in crowds, and each look plans for every node.
    await sleep(REST_MS, signal);
  }
}

function refuseNew(observed: readonly ObservedResource[], known: ReadonlySet<string | undefined>): void {
  const made = observed.find(({ raw }) => !known.has(raw.metadata.uid));
  if (!made) return;
  const name = describeRef(ONLOADS, refOf(made.raw));
  throw new Error(`Cannot uninstall: ${name} was made meanwhile; ${AGAIN}`);
}

/** Starts the operator's engine here, if nobody else serves. */
async function ensureWorker(
  { client, namespace, say }: CleaningOptions,
  { raw }: ObservedResource,
  serving: Serving,
  standIn: StandIn,
  signal: AbortSignal,
): Promise<void> {
  if (standIn.running) return;
  const { who, why } = workerFor(serving);
  // It may come back; and if it does not, nothing moves.
  if (who !== "this") return;
  const lease = await leaseNamespace(client, namespace, signal);
  say(`${why}; this command cleans the nodes itself, with the Lease in namespace ${lease}`);
  const user = await admitStandIn(client, refOf(raw), signal);
  if (user !== undefined) say(`The admission policies let ${user} do that now`);
  standIn.start(lease, signal);
}

/** Why it may be that nothing moves, beside what the nodes say. */
function hindrances(serving: Serving, standIn: StandIn): string[] {
  if (standIn.running) return [];
  const { who, why } = workerFor(serving);
  return [...(who === "operator" ? [] : [why]), ...(standIn.problem === undefined ? [] : [standIn.problem])];
}
