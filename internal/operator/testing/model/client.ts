/** The operator's calls, answered by an {@link Api} in memory, with failures, delays and crashes as a history asks for them. */
import type { DeepReadonly, KubeObject, Node, Pod } from "../../../api/core.ts";
import type { Fence } from "../../../kube/client.ts";
import type { ClusterClient, FencedClient } from "../../cache/cluster-client.ts";
import { checkedClient } from "../checked-client.ts";
import type { Page } from "../../../kube/call-options.ts";
import { ApiError, ConnectionError } from "../../../kube/errors.ts";
import type { OnloadObject } from "./resources.ts";
import { type Api, conflict, keyOf, type Kind, KINDS, notFound, type Stored } from "./api.ts";

/** What happens to one call: */
export type FaultKind =
  /** it fails, and nothing is done; */
  | "before"
  /** it is done, and the answer is lost; */
  | "after"
  /** somebody else has just changed the object; */
  | "conflict"
  /** it reaches the server only when the history lets it go; */
  | "delay"
  /** the operator's process dies, and nothing is done; */
  | "crash"
  /** the process dies when it is done. */
  | "crashAfter";

/** Counts the calls of one pass from 0. */
export interface Fault {
  call: number;
  kind: FaultKind;
}

/** What the operator's caches show when a pass begins: it cannot know of what comes later. */
export interface Seen {
  onloads: readonly DeepReadonly<OnloadObject>[];
  nodes: readonly DeepReadonly<Node>[];
  /** The pods of a node, as the operator knew them; undefined if it never looked. */
  podsOn: (node: string) => readonly DeepReadonly<Pod>[] | undefined;
  /** Whether the pods of applications may be taken away by force. */
  consents: boolean;
}

/** One pass of the operator over one resource. */
export class Pass {
  readonly key: string;
  readonly seen: Seen;
  readonly faults: readonly Fault[];
  readonly stop = new AbortController();
  calls = 0;
  inFlight = 0;

  constructor(key: string, seen: Seen, faults: readonly Fault[]) {
    this.key = key;
    this.seen = seen;
    this.faults = faults;
  }
}

/** Thrown when the operator's process dies. */
export class Crash extends Error {
  override name = "Crash";
}

/** A write that is about to be done. */
export interface Call {
  verb: "patch" | "apply" | "delete" | "evict";
  kind: Kind;
  key: string;
  /** The patch, or the object that is applied. */
  body?: object;
  subresource?: string | undefined;
  uid?: string | undefined;
  gracePeriodSeconds?: number | undefined;
  pass: Pass;
}

export interface ClientHooks {
  /** Called right before a write is done. */
  onWrite: (call: Call) => void;
  /** Called after a merge patch or an apply. */
  onWritten: (call: Call, old: Stored | undefined, current: Stored) => void;
  /** Why a budget refuses to let a pod go; undefined if none does. */
  refusal: (pod: Pod) => string | undefined;
  /** The operator has listed the pods of a node. */
  onLook: (node: string, pods: readonly Pod[]) => void;
  /** The log of a container. */
  log: (pod: Pod, previous: boolean) => string | undefined;
}

interface Options {
  signal?: AbortSignal | undefined;
  uid?: string | undefined;
  resourceVersion?: string | undefined;
  subresource?: string | undefined;
  gracePeriodSeconds?: number | undefined;
  fieldSelector?: string | undefined;
  labelSelector?: string | undefined;
  namespace?: string | undefined;
  previous?: boolean;
}
interface Ref {
  namespace?: string | undefined;
  name: string;
}

export class ModelClient implements FencedClient {
  readonly #api: Api;
  readonly #hooks: ClientHooks;
  readonly #passes = new Map<AbortSignal, Pass>();
  /** Calls that wait until the history lets them go. */
  readonly #delayed: (() => void)[] = [];
  dead = false;

  constructor(api: Api, hooks: ClientHooks) {
    this.#api = api;
    this.#hooks = hooks;
  }

  begin(pass: Pass): void {
    this.#passes.set(pass.stop.signal, pass);
  }

  end(pass: Pass): void {
    this.#passes.delete(pass.stop.signal);
  }

  get delayed(): number {
    return this.#delayed.length;
  }

  /** Lets a delayed call go. */
  release(index: number): void {
    for (const go of this.#delayed.splice(index % Math.max(1, this.#delayed.length), 1)) go();
  }

  fencedBy(fence: Fence): ClusterClient {
    return checkedClient(this, fence);
  }

  async get<T extends KubeObject>(
    resource: { plural: string },
    ref: Ref,
    options: Options = {},
  ): Promise<T | undefined> {
    const key = textOf(ref);
    return this.#call(
      options,
      `get ${resource.plural} ${key}`,
      () => this.#api.get(kindOf(resource), key) as T | undefined,
    );
  }

  async list<T extends KubeObject>(resource: { plural: string }, options: Options = {}): Promise<Page<T>> {
    return this.#call(options, `list ${resource.plural}`, () => {
      const node = /^spec\.nodeName=(.+)$/.exec(options.fieldSelector ?? "")?.[1];
      if (resource.plural !== "pods") throw new Error(`The model lists pods only`);
      if (node === undefined) {
        const wanted = (options.labelSelector ?? "").split(",").map((each) => each.split("="));
        const has = ({ metadata: { labels = {} } }: Pod): boolean =>
          wanted.every(([label = "", value]) => labels[label] === value);
        const found = this.#api.list("pods").filter((pod) => pod.metadata.namespace === options.namespace && has(pod));
        return { items: found as unknown as T[], resourceVersion: "1" };
      }
      const pods = this.#api.podsOn(node);
      this.#hooks.onLook(node, pods);
      return { items: pods as unknown as T[], resourceVersion: "1" };
    });
  }

  async mergePatch<T extends KubeObject>(
    resource: { plural: string },
    ref: Ref,
    patch: object,
    options: Options = {},
  ): Promise<T> {
    const key = textOf(ref);
    const kind = kindOf(resource);
    const action = `patch ${kind} ${key}`;
    return this.#call(options, action, (pass) => {
      const old = this.#api.get(kind, key) as Stored | undefined;
      if (!old) throw notFound(action);
      const { resourceVersion } = options;
      // A mistake in the program: see isBug in operator.ts.
      if (kind === "nodes" && resourceVersion === undefined) throw new TypeError(`Cannot ${action}: no version seen`);
      if (resourceVersion !== undefined && resourceVersion !== old.metadata.resourceVersion) throw conflict(action);
      const call: Call = { verb: "patch", kind, key, body: patch, subresource: options.subresource, pass };
      this.#hooks.onWrite(call);
      const adopts = (patch as Stored).metadata?.managedFields !== undefined;
      const current = this.#api.mergePatch(kind, key, patch) as Stored;
      if (adopts) this.#api.adoptFields(kind, key);
      this.#hooks.onWritten(call, old, current);
      return current as unknown as T;
    });
  }

  async apply<T extends KubeObject>(
    resource: { plural: string },
    object: DeepReadonly<T>,
    options: Options = {},
  ): Promise<T> {
    const kind = kindOf(resource);
    const body = object as unknown as Stored;
    const key = keyOf(body);
    const action = `apply ${kind} ${key}`;
    return this.#call(options, action, (pass) => {
      const old = this.#api.get(kind, key) as Stored | undefined;
      const { uid, resourceVersion } = body.metadata;
      if (uid !== undefined && uid !== old?.metadata.uid) {
        if (!old && options.subresource !== undefined) throw notFound(action);
        throw conflict(action, "Precondition failed: UID in precondition differs from UID in object meta");
      }
      if (resourceVersion !== undefined && resourceVersion !== old?.metadata.resourceVersion) throw conflict(action);
      const call: Call = { verb: "apply", kind, key, body, subresource: options.subresource, pass };
      this.#hooks.onWrite(call);
      const current = this.#api.apply(kind, withKind(resource, body), options.subresource) as Stored;
      this.#hooks.onWritten(call, old, current);
      return current as unknown as T;
    });
  }

  async delete(resource: { plural: string }, ref: Ref, options: Options = {}): Promise<boolean> {
    const key = textOf(ref);
    const kind = kindOf(resource);
    const action = `delete ${kind} ${key}`;
    const { gracePeriodSeconds } = options;
    return this.#call(options, action, (pass) => {
      const old = this.#api.get(kind, key) as Stored | undefined;
      if (!old) return false;
      checkUid(action, options.uid, old);
      this.#hooks.onWrite({ verb: "delete", kind, key, uid: options.uid, gracePeriodSeconds, pass });
      this.#api.delete(kind, key);
      return true;
    });
  }

  async evict(ref: Ref, options: Options = {}): Promise<"evicted" | "gone"> {
    const key = textOf(ref);
    const action = `evict pods ${key}`;
    const { gracePeriodSeconds } = options;
    return this.#call(options, action, (pass) => {
      const pod = this.#api.get("pods", key);
      if (!pod || (options.uid !== undefined && pod.metadata.uid !== options.uid)) return "gone";
      const refusal = this.#hooks.refusal(pod);
      if (refusal !== undefined && pod.metadata.deletionTimestamp === undefined) {
        const causes = [{ reason: "DisruptionBudget", message: refusal }];
        const message = "Cannot evict pod as it would violate the pod's disruption budget.";
        throw new ApiError(action, 429, { reason: "TooManyRequests", message, details: { causes } });
      }
      this.#hooks.onWrite({ verb: "evict", kind: "pods", key, uid: options.uid, gracePeriodSeconds, pass });
      this.#api.delete("pods", key);
      return "evicted";
    });
  }

  async podLog(ref: Ref, options: Options = {}): Promise<string | undefined> {
    const key = textOf(ref);
    return this.#call(options, `read the log of pods ${key}`, () => {
      const pod = this.#api.get("pods", key);
      return pod && this.#hooks.log(pod, options.previous ?? false);
    });
  }

  /** One call, with what the pass's plan has for it. */
  async #call<T>({ signal }: Options, action: string, act: (pass: Pass) => T): Promise<T> {
    const pass = signal && (this.#passes.get(signal) ?? this.#only());
    if (!pass) throw new Error(`A pass that has ended, or none, wants to ${action}`);
    const index = pass.calls++;
    const fault = pass.faults.find(({ call }) => call === index)?.kind;
    pass.inFlight++;
    try {
      // No call answers before its caller has let go.
      await Promise.resolve();
      if (fault === "delay") await new Promise<void>((resolve) => this.#delayed.push(resolve));
      if (this.dead) throw new Crash();
      signal.throwIfAborted();
      return this.#answer(fault, action, () => act(pass));
    } finally {
      pass.inFlight--;
    }
  }

  /** The pass, if there is only one: its signal may have been joined with another. */
  #only(): Pass | undefined {
    return this.#passes.size === 1 ? [...this.#passes.values()][0] : undefined;
  }

  #answer<T>(fault: FaultKind | undefined, action: string, act: () => T): T {
    switch (fault) {
      case "before":
        throw new ApiError(action, 503, { reason: "ServiceUnavailable", message: "apiserver not ready" });
      case "conflict":
        throw conflict(action);
      case "crash":
        this.dead = true;
        throw new Crash();
      case "after":
        act();
        throw new ConnectionError(action, "https://model", "ETIMEDOUT", "no answer");
      case "crashAfter":
        act();
        this.dead = true;
        throw new Crash();
      default:
        return act();
    }
  }
}

function checkUid(action: string, uid: string | undefined, { metadata }: Stored): void {
  if (uid !== undefined && uid !== metadata.uid) throw conflict(action, "the UID in the precondition differs");
}

function kindOf({ plural }: { plural: string }): Kind {
  const kind = KINDS.find((each) => each === plural);
  if (!kind) throw new Error(`The model has no ${plural}`);
  return kind;
}

function withKind(resource: { plural: string }, body: Stored): Stored {
  const { kind, group, version } = resource as { plural: string; kind: string; group: string; version: string };
  return { ...body, apiVersion: group === "" ? version : `${group}/${version}`, kind };
}

function textOf({ namespace, name }: Ref): string {
  return namespace ? `${namespace}/${name}` : name;
}
