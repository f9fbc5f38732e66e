/** What a look at containers asks for and finds out. It goes as JSON from one process of the node to another. */
import { fieldsOf, parseJson } from "../cli/json.ts";
import { plainUid } from "./cgroup.ts";
import type { Library } from "./process.ts";
import type { ProcessSettings } from "./settings.ts";
import type { SocketKind } from "./sockets.ts";
import { MAX_STACKS } from "./stack-counters.ts";

/** Containers to look into: names by the pod's UID. */
export interface LookRequest {
  pods: { uid: string; containers: string[] }[];
  /** Whether everything is read again that may have changed. Without it, little is that does not seem to have changed. */
  fresh?: boolean;
}

/** Asks for counters of stacks, by their numbers. */
export interface StackRequest {
  stacks: number[];
}

/** What one look found. */
export interface LookAnswer {
  /** In the order of the request. One of which no process was found is there too, and has none. */
  containers: ContainerFacts[];
  /** Processor time that the look took, in milliseconds. */
  cpuMs: number;
}

/** Processes and sockets of one container. */
export interface ContainerFacts {
  /** The pod's UID as the request has it. */
  podUid: string;
  container: string;
  /** Processes by whether they have Onload's library, and if not, why. */
  processes: Partial<Record<Library, number>>;
  /** How many stacks the processes have. */
  stacks: number;
  /** Their numbers, by which Onload's tools know them, the first {@link MAX_STACK_IDS}. */
  stackIds: number[];
  /** Sockets, each counted once whichever processes share it. */
  sockets: { kind: SocketKind; accelerated: boolean; count: number }[];
  interfaces: NetworkInterface[];
  /** Whether there are more interfaces, as in a node's own network. It says nothing of sockets. */
  interfacesCut: boolean;
  /** EF_ variables of that process with the library that has most of them; null: no process with the library was seen. */
  settings: ProcessSettings | null;
  /** What was not looked at, for the bounds of a look. */
  cut: Cut;
}

/** An interface of the container's network namespace. */
export interface NetworkInterface {
  name: string;
  /** Its kernel driver, or the type of one without hardware, such as macvlan; undefined if it cannot be told. */
  driver: string | undefined;
}

export interface Cut {
  /** Processes that were not looked into. */
  processes: number;
  /** Processes of which only the first descriptors were read. */
  descriptors: number;
  /** Tables of sockets of which only the beginning was read. */
  tables: number;
}

/** Whether something of a container was not looked at. */
export function isCut({ cut }: ContainerFacts): boolean {
  return cut.processes + cut.descriptors + cut.tables > 0;
}

/**
 * Whether a container's sockets are accelerated: true if one of them is, false if all of them are the kernel's.
 *
 * @returns undefined if it has none, or if none was seen and some were not looked at
 */
export function isAccelerated({ sockets, cut }: ContainerFacts): boolean | undefined {
  if (sockets.some(({ accelerated }) => accelerated)) return true;
  if (cut.processes + cut.descriptors > 0) return undefined;
  return sockets.some(({ kind }) => kind !== "loopback") ? false : undefined;
}

/** Kinds whose sockets Onload accelerates; an `os_sock` is the kernel's. */
export function isAcceleratedKind(kind: SocketKind): boolean {
  return kind !== "os_sock" && kind !== "loopback";
}

/** A text of a process or of the kernel, fit to be shown: at most 64 characters, each harmless. */
export function shown(text: string): string {
  return text.slice(0, 64).replaceAll(/[^A-Za-z0-9_.@:-]/g, "?");
}

const MAX_PODS = 5000;
/** A process has one stack, or a few. */
export const MAX_STACK_IDS = 64;

/**
 * Parses a request.
 *
 * @throws Error "The request is malformed: reason"
 */
export function parseRequest(text: string): LookRequest | StackRequest {
  try {
    const { pods, fresh, stacks } = fieldsOf(parseJson(text)) ?? {};
    if (stacks !== undefined) return { stacks: stacksOf(stacks) };
    if (!Array.isArray(pods) || pods.length > MAX_PODS) throw new Error("it has no list of pods");
    return { pods: pods.map(podOf), fresh: fresh === true };
  } catch (cause) {
    throw new Error(`The request is malformed: ${(cause as Error).message}`, { cause });
  }
}

function podOf(value: unknown): LookRequest["pods"][number] {
  const { uid, containers } = fieldsOf(value) ?? {};
  if (!isName(uid) || !Array.isArray(containers) || !containers.every(isName)) throw new Error("a pod has no names");
  return { uid, containers };
}

function stacksOf(value: unknown): number[] {
  if (!Array.isArray(value) || value.length > MAX_STACKS || !value.every((id) => Number.isSafeInteger(id))) {
    throw new Error("it has no list of stacks");
  }
  return value as number[];
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value.length <= 253;
}

/** The key of a container, which no other has. */
export function containerKey(podUid: string, container: string): string {
  return `${plainUid(podUid)}/${container}`;
}
