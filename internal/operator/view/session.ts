/** The operator's own caches and planner for commands that only look: nothing is written. */
import { isDeepStrictEqual } from "node:util";
import type { Logger } from "../../cli/log.ts";
import type { DaemonSet, DeepReadonly, Pod } from "../../api/core.ts";
import { devicePluginName, onloadKeyOf, OPERATOR_SELECTOR } from "../../api/names.ts";
import { DEVICE_PLUGIN_CONTAINER } from "../../api/plugin-pod.ts";
import type { Onload } from "../../api/onload.ts";
import type { Client } from "../../kube/client.ts";
import { sleep } from "../../kube/clock.ts";
import { ApiError, isForbidden, isNotFound } from "../../kube/errors.ts";
import { missingText } from "../../kube/missing.ts";
import { ONLOADS, type Resource } from "../../api/resources.ts";
import { DAEMON_SETS, PODS, refOf } from "../../kube/resource.ts";
import { objectKey } from "../../kube/object.ts";
import { Store } from "../../kube/store.ts";
import { secondTime } from "../../kube/times.ts";
import { createCaches, type Caches, type RawOnload, type Stores } from "../cache/caches.ts";
import { failedPods, FailureLogs } from "../observe/failure-logs.ts";
import { silentPlugins } from "../observe/plugin-logs.ts";
import { NodePods, podWatcher } from "../cache/node-pods.ts";
import { RefusedPods } from "../observe/refused-pods.ts";
import { planFor, PlanMemo, type Planned } from "../plan.ts";
import { readOnload } from "../observe/preflight.ts";
import { selectorsOf } from "../observe/selectors.ts";
import { missingPod } from "../rollout/awaited-pod.ts";
import { podAwaitedSince } from "../rollout/deadlines.ts";
import type { RolloutPlan } from "../rollout/plan.ts";
import { selectorChange, type SelectorChange } from "../rollout/selector-change.ts";
import { noneText } from "./none-text.ts";
import { attentionOf, changedAt, isBehind, sfcGuess } from "./attention.ts";
import { resourceChanges, type FieldChange } from "./difference.ts";
import { readEvidence } from "./evidence.ts";
import { asCarriedOut } from "./held.ts";
import { kmmDeployments, kmmRefusal } from "./kmm-operator.ts";
import { rivalsText, servingOf, type OperatorEvidence, type Serving, type ServingState } from "./serving.ts";
import { refusedBecause, suppose } from "./suppose.ts";

/** A resource and what the operator would do with it now. */
export interface ObservedResource {
  raw: DeepReadonly<RawOnload>;
  /** undefined if the spec cannot be read. */
  onload: DeepReadonly<Onload> | undefined;
  planned: Planned | undefined;
  /** Why there is no plan. */
  problem: string | undefined;
  /** Why a change of spec.selector does not hold, and what to do. */
  heldBack: string | undefined;
  /** What nobody acts on, in words. */
  attention: readonly string[];
  /** Whether an operator acts for it. */
  serving: Serving;
}

/** Whether an operator acts is looked at this often. No event tells that a Lease is not renewed. */
const EVIDENCE_MS = 5000;

/** Caches that are filled and followed while a command runs, and the plans made from them. */
export class Session {
  readonly client: Client;
  readonly caches: Caches;
  readonly pods: NodePods;
  readonly #failureLogs = new FailureLogs();
  /** By resource. */
  readonly #refusedPods = new Map<string, RefusedPods>();
  readonly #stop = new AbortController();
  readonly #namespace: string | undefined;
  #ownNode: string | undefined;
  #instead: readonly RawOnload[] = [];
  #evidence: { at: number; found: OperatorEvidence } | undefined;
  #kmmRefusal: { at: number; text: string | undefined } | undefined;
  readonly #running: Promise<unknown>;

  private constructor(
    client: Client,
    caches: Caches,
    namespace: string | undefined,
    followed: Followed[],
    log: Logger,
    onChange: () => void,
  ) {
    this.client = client;
    this.caches = caches;
    this.#namespace = namespace;
    this.pods = new NodePods(client, podWatcher(client, log), onChange);
    for (const informer of followed) informer.subscribe(onChange);
    this.#running = Promise.all([
      ...followed.map((informer) => informer.run(this.#stop.signal)),
      this.#followServing(onChange, this.#stop.signal),
    ]);
  }

  /** Tells when an operator begins or ends to act; never throws. */
  async #followServing(onChange: () => void, signal: AbortSignal): Promise<void> {
    let before: ServingState | undefined;
    while (!signal.aborted) {
      try {
        await sleep(EVIDENCE_MS, signal);
        const { state } = await this.serving(Date.now(), signal);
        if (before !== undefined && state !== before) onChange();
        before = state;
      } catch {
        // The API server is away for a while, or this is the end.
      }
    }
  }

  /**
   * Reads what is needed of the cluster.
   *
   * @param namespace of the Onload resources; undefined: all
   * @param onChange called on every later change
   * @throws Error if something cannot be read, with what to do if that is known
   */
  static async open(
    client: Client,
    namespace: string | undefined,
    log: Logger,
    signal: AbortSignal,
    onChange: () => void = () => undefined,
  ): Promise<Session> {
    const namespaces = namespace ? [namespace] : [];
    const everywhere = namespace === undefined || (await mayReadAll(client, signal));
    const caches = createCaches(client, namespaces, log, everywhere ? [] : namespaces);
    const followed = await readable(client, caches, namespace, everywhere, log, signal);
    if (!everywhere) log.warn(OTHERS_UNSEEN);
    const session = new Session(client, caches, namespace, followed, log, onChange);
    try {
      await Promise.all(followed.map((informer) => informer.synced(signal)));
      const { items } = await client.list<Pod>(PODS, { labelSelector: OPERATOR_SELECTOR, signal });
      session.#ownNode = items.find((pod) => pod.status?.phase === "Running")?.spec?.nodeName;
    } catch (error) {
      await session.close();
      throw error;
    }
    return session;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await Promise.all([this.#running, this.pods.close()]);
  }

  /**
   * Takes a resource in place of the cluster's of that name, as it would be if it were applied: the API server fills in
   * defaults, checks every rule and every field's name, and stores nothing.
   *
   * @returns what would change
   * @throws ApiError with the server's words if it would refuse the resource
   */
  async suppose(manifest: RawOnload, signal: AbortSignal): Promise<FieldChange[]> {
    const { live, applied } = await suppose(this.client, manifest, signal).catch((error: unknown) => {
      throw inShort(error, manifest);
    });
    this.#instead = [...this.#instead.filter((each) => objectKey(each) !== objectKey(applied)), applied];
    return resourceChanges(live, applied);
  }

  /**
   * Takes resources as if they were deleted; nothing is asked of the API server.
   *
   * @param now milliseconds since the epoch
   * @param name of the resources; undefined: all
   */
  supposeDeleted(now: number, name?: string): void {
    const deletionTimestamp = secondTime(now);
    const all = this.#resources().filter(({ metadata }) => name === undefined || metadata.name === name);
    this.#instead = all.map((raw) => {
      const metadata = { deletionTimestamp, ...raw.metadata };
      return { ...raw, metadata } as RawOnload;
    });
  }

  /** Whether an operator acts for every resource, as it was a moment ago. */
  async serving(now: number, signal: AbortSignal): Promise<Serving> {
    const namespaces = this.#resources().map(({ metadata }) => metadata.namespace ?? "");
    return servingOf(await this.#readEvidence(signal), now, namespaces);
  }

  async #readEvidence(signal: AbortSignal): Promise<OperatorEvidence> {
    const at = performance.now();
    if (!this.#evidence || at - this.#evidence.at >= EVIDENCE_MS) {
      this.#evidence = { at, found: await readEvidence(this.client, signal) };
    }
    return this.#evidence.found;
  }

  /** @throws Error if there is no resource of that name, with where one is or what is near */
  async require(name: string, signal: AbortSignal): Promise<void> {
    if (this.#resources().some(({ metadata }) => metadata.name === name)) return;
    const missing = { what: "Onload", resource: ONLOADS, name, namespace: this.#namespace };
    throw new Error(await missingText(this.client, missing, signal));
  }

  /** What to say if there is no Onload resource to show. */
  get none(): string {
    const all = [...this.#stores().onloads.store.list()].map(({ metadata }) => metadata.namespace ?? "");
    return noneText(this.#namespace, all);
  }

  /** Every resource, oldest first, with the operator's plan; the pods of nodes that are being emptied are listed. */
  async observe(name: string | undefined, now: number, signal: AbortSignal): Promise<ObservedResource[]> {
    const all = this.#resources().filter(({ metadata }) => name === undefined || metadata.name === name);
    all.sort((a, b) => sortKey(a).localeCompare(sortKey(b)));
    const evidence = await this.#readEvidence(signal);
    return Promise.all(all.map((raw) => this.#observeOne(raw, evidence, now, signal)));
  }

  async #observeOne(
    raw: DeepReadonly<RawOnload>,
    evidence: OperatorEvidence,
    now: number,
    signal: AbortSignal,
  ): Promise<ObservedResource> {
    const { namespace = "" } = raw.metadata;
    const serving = servingOf(evidence, now, [namespace]);
    const rivals = rivalsText(evidence, now, namespace);
    const attention = [
      ...(rivals === undefined ? [] : [rivals]),
      ...attentionOf(raw, serving, await this.#changedAt(raw, signal), now),
    ];
    const { onload, problem } = readOnload(raw);
    const { machineConfigs, machineConfigPools } = this.#stores();
    const guess =
      onload && sfcGuess(onload, [...machineConfigs.store.list()], [...machineConfigPools.store.list()].length);
    if (guess !== undefined) attention.push(guess);
    const known = { raw, problem: problem?.message, attention, serving };
    if (!onload) return { ...known, onload, planned: undefined, heldBack: undefined };
    const image = await this.#pluginImage(onload, signal);
    let planned = await this.#planInspected(onload, image, now, signal);
    const change = selectorChange(raw, planned.plan.nodes, planned.policy.maxUnavailable, true);
    if (this.#supposesSelector(raw, change)) planned = await this.#planInspected(onload, image, now, signal);
    const nodes = planned.plan.nodes.map(({ facts }) => facts);
    const loaders = failedPods(nodes, onloadKeyOf(onload), this.caches);
    const silent = silentPlugins(nodes, onloadKeyOf(onload), this.caches, now);
    const monotonic = performance.now();
    const { changed } = await this.#failureLogs.collect(this.client, loaders, now, monotonic, signal, silent);
    const looked = await this.#lookForRefusals(onload, planned, now, signal);
    if (changed || looked) planned = this.#plan(onload, image, now);
    const kmm = awaitsKmm(planned.plan) ? await this.#readKmmRefusal(signal) : undefined;
    const noted = kmm === undefined ? attention : [...attention, kmm];
    const plan = asCarriedOut(raw, serving, planned.plan);
    return { ...known, onload, planned: { ...planned, plan }, heldBack: change.heldBack, attention: noted };
  }

  /** Why KMM's operator has no pod; undefined too if its Deployments may not be read. */
  async #readKmmRefusal(signal: AbortSignal): Promise<string | undefined> {
    const at = performance.now();
    if (!this.#kmmRefusal || at - this.#kmmRefusal.at >= EVIDENCE_MS) {
      const deployments = await kmmDeployments(this.client, signal).catch((error: unknown) => {
        if (error instanceof ApiError) return [];
        throw error;
      });
      this.#kmmRefusal = { at, text: kmmRefusal(deployments) };
    }
    return this.#kmmRefusal.text;
  }

  /** Gives whether something new is known of why pods are not made. */
  async #lookForRefusals(
    onload: DeepReadonly<Onload>,
    { plan }: Planned,
    now: number,
    signal: AbortSignal,
  ): Promise<boolean> {
    const refused = this.#refusedPodsOf(onload);
    const since = podAwaitedSince(plan.nodes);
    const key = onloadKeyOf(onload);
    const { changed } = await refused.look(this.client, this.caches, key, since, now, performance.now(), signal);
    return changed;
  }

  #refusedPodsOf(onload: DeepReadonly<Onload>): RefusedPods {
    const key = objectKey(onload);
    const refused = this.#refusedPods.get(key) ?? new RefusedPods();
    this.#refusedPods.set(key, refused);
    return refused;
  }

  /** A plan that knows which pods are on the nodes for which that matters. */
  async #planInspected(
    onload: DeepReadonly<Onload>,
    image: string | undefined,
    now: number,
    signal: AbortSignal,
  ): Promise<Planned> {
    const looked = new Set<string>();
    for (;;) {
      const planned = this.#plan(onload, image, now);
      const asked = planned.plan.nodes.filter(({ step, facts }) => step === "Inspect" && !looked.has(facts.name));
      if (asked.length === 0) return planned;
      for (const { facts } of asked) looked.add(facts.name);
      await Promise.all(asked.map(({ facts }) => this.pods.inspect(facts.name, signal)));
    }
  }

  /** Goes on as if the operator had taken over the selector of a resource that is only supposed. */
  #supposesSelector(raw: DeepReadonly<RawOnload>, { selector }: SelectorChange): boolean {
    const isIt = (each: RawOnload): boolean => objectKey(each) === objectKey(raw);
    if (!this.#instead.some(isIt) || !selector || isDeepStrictEqual(selector, selectorsOf(raw)?.holding)) return false;
    const status = { ...(raw.status as object), selector };
    this.#instead = this.#instead.map((each) => (isIt(each) ? { ...each, status } : each));
    return true;
  }

  /** Since when the status lags behind the resource; undefined if it does not. The caches leave out what tells. */
  async #changedAt(raw: DeepReadonly<RawOnload>, signal: AbortSignal): Promise<number | undefined> {
    if (!isBehind(raw)) return undefined;
    const whole = raw.metadata.managedFields ? raw : await this.client.get<RawOnload>(ONLOADS, refOf(raw), { signal });
    return whole && changedAt(whole.metadata);
  }

  #plan(onload: DeepReadonly<Onload>, pluginImage: string | undefined, now: number): Planned {
    const collected = {
      pods: this.pods,
      refusals: new Map<string, string>(),
      podRefusals: this.#refusedPodsOf(onload).refusals,
      unanswered: [],
      failureLogs: this.#failureLogs,
    };
    const isSupposed = this.#instead.some((each) => objectKey(each) === objectKey(onload));
    const environment = {
      ownNode: this.#ownNode,
      pluginImage,
      ownImage: undefined,
      forceEverywhere: false,
      isSupposed,
    };
    return planFor({ caches: this.#stores(), collected, environment }, onload, now, new PlanMemo());
  }

  /** The resources of the namespace that was asked for. Those of others matter only for whose a node is. */
  #resources(): DeepReadonly<RawOnload>[] {
    const all = [...this.#stores().onloads.store.list()];
    return all.filter(({ metadata }) => this.#namespace === undefined || metadata.namespace === this.#namespace);
  }

  #stores(): Stores {
    if (this.#instead.length === 0) return this.caches;
    const store = new Store<RawOnload, never>();
    for (const onload of this.caches.onloads.store.list()) store.set(onload);
    for (const onload of this.#instead) store.set(onload as DeepReadonly<RawOnload>);
    return { ...this.caches, onloads: { store } };
  }

  /** The image that the operator gave the device plugin last: what it is by default, only the operator knows. */
  async #pluginImage({ metadata }: DeepReadonly<Onload>, signal: AbortSignal): Promise<string | undefined> {
    const ref = { namespace: metadata.namespace, name: devicePluginName(metadata.name) };
    const daemonSet = await this.client.get<DaemonSet>(DAEMON_SETS, ref, { signal });
    const spec = daemonSet?.spec.template.spec as { containers?: { name: string; image?: string }[] } | undefined;
    return spec?.containers?.find(({ name }) => name === DEVICE_PLUGIN_CONTAINER)?.image;
  }
}

function inShort(error: unknown, manifest: RawOnload): unknown {
  const why = refusedBecause(error, manifest);
  return why === undefined ? error : new Error(`Cannot plan for Onload "${objectKey(manifest)}": ${why}`);
}

function sortKey({ metadata }: DeepReadonly<RawOnload>): string {
  return `${metadata.creationTimestamp ?? ""} ${metadata.namespace}/${metadata.name}`;
}

/** What a person may not be allowed to read; the view then goes without it. */
const DISPENSABLE: ReadonlySet<keyof Caches> = new Set([
  "machineConfigs",
  "machineConfigPools",
  "nodeModulesConfigs",
  "moduleImagesConfigs",
  "namespaces",
  "policyBindings",
  "policies",
]);

/**
 * The caches that can be followed. Informers try for ever, but a person wants to know at once what cannot be read.
 *
 * @throws Error when something cannot be read that is needed
 */
async function readable(
  client: Client,
  caches: Caches,
  namespace: string | undefined,
  everywhere: boolean,
  log: Logger,
  signal: AbortSignal,
): Promise<Followed[]> {
  const asked = Object.entries(caches).map(async ([name, informer]) => {
    try {
      const scope = name === "onloads" && everywhere ? undefined : namespace;
      const exists = await mayRead(client, informer.resource, scope, signal);
      if (name === "onloads" && !exists) throw new NotInstalledError();
      return [informer as Followed];
    } catch (error) {
      if (!isForbidden(error) || !DISPENSABLE.has(name as keyof Caches)) throw error;
      log.debug(`Going without ${informer.resource.plural}`, { error });
      return [];
    }
  });
  return (await Promise.all(asked)).flat();
}

type Followed = Pick<Caches["onloads"], "run" | "synced"> & { subscribe(handler: () => void): void };

/** The CRD of Onload resources is not installed. */
export class NotInstalledError extends Error {
  override name = "NotInstalledError";

  constructor() {
    super(NO_CRD);
  }
}

const NO_CRD =
  "Cannot list Onload resources: their CRD is not installed; install the operator with `onloadctl manifests install --image=IMAGE | kubectl apply --server-side --force-conflicts -f -`";

const OTHERS_UNSEEN =
  "Onload resources of other namespaces cannot be read: a node that one of them has looks free here";

/** Whether the Onload resources of all namespaces may be read. */
async function mayReadAll(client: Client, signal: AbortSignal): Promise<boolean> {
  try {
    await mayRead(client, ONLOADS, undefined, signal);
    return true;
  } catch (error) {
    if (isForbidden(error)) return false;
    throw error;
  }
}

/** Whether the resource exists. */
async function mayRead(
  client: Client,
  resource: Resource,
  namespace: string | undefined,
  signal: AbortSignal,
): Promise<boolean> {
  const options = { pageSize: 1, signal, ...(namespace && resource.namespaced ? { namespace } : {}) };
  try {
    await client.pages(resource, options).next();
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}

/** Whether a node waits for a pod that KMM has to see to and that is not there. */
function awaitsKmm({ nodes }: RolloutPlan): boolean {
  return nodes.some(({ facts, state }) => {
    const missing = missingPod(facts, state);
    return missing !== undefined && missing !== "plugin";
  });
}
