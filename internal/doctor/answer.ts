/** Reads what a device plugin says at /acceleration. A pod with the plugin's labels may say anything, so all of it is bounded. */
import { shown, type ContainerFacts } from "../acceleration/facts.ts";
import { isSettingName, isSettingNumber, type ProcessSettings } from "../acceleration/settings.ts";
import { STACK_COUNTERS } from "../acceleration/stack-counters.ts";
import { fieldsOf, parseJson } from "../cli/json.ts";
import { printable } from "../cli/printable.ts";
import { parseTime } from "../kube/times.ts";

/** A container, as its node's plugin sees it. */
export interface ContainerAnswer {
  namespace: string;
  pod: string;
  container: string;
  podUid: string;
  /** undefined: it has no sockets, or they were not all looked at. */
  accelerated: boolean | undefined;
  /** Processes by whether they have Onload's library. Names of a later version may be among them. */
  processes: Record<string, number>;
  stacks: number;
  /** Undefined if the plugin is of a version that does not tell them. */
  stackIds: number[] | undefined;
  sockets: { kind: string; accelerated: boolean; count: number }[];
  interfaces: { name: string; driver: string | undefined }[];
  /** Whether there are more. Plugins before this field do not say it. */
  interfacesCut: boolean;
  /** EF_ variables of a process with the library; null for a value that is no number. Undefined if they are not known. */
  settings: ProcessSettings | undefined;
  cut: boolean;
  /** Processes that were not looked into. */
  processesCut: number;
  /** Undefined if the plugin reads none: spec.devicePlugin.stackMetrics. */
  counters: StackAnswer[] | undefined;
}

/** Counters of a stack, by the names of STACK_COUNTERS. */
export interface StackAnswer {
  id: number;
  values: Record<string, number>;
  /** What has been added between the two last readings; undefined if there was one. */
  recent: { seconds: number; grown: Record<string, number> } | undefined;
}

/** What a plugin knows of its node. */
export interface PluginNode {
  healthy: boolean;
  problems: string[];
  /** Why the kernel cannot start onload_cp_server; undefined if it can. */
  controlPlane: string | undefined;
  /** What the onload module that is loaded says of itself; undefined: it does not, or the plugin is of an older version. */
  module: { version: string | undefined; acceleratesVeth: boolean | undefined };
  nics: { address: string; driver: string | undefined; interfaces: string[] }[];
}

export interface NodeAnswer {
  /** When it last looked into processes, in milliseconds since the epoch; undefined: it has not yet. */
  lookedAt: number | undefined;
  /** Why it cannot look now. */
  problem: string | undefined;
  /** Why it cannot read counters now. */
  countersProblem: string | undefined;
  /** Undefined if the plugin is of a version that does not tell. */
  node: PluginNode | undefined;
  containers: ContainerAnswer[];
}

/** As many as a plugin looks into. */
const MAX_CONTAINERS = 1000;
const MAX_ITEMS = 64;
const MAX_TEXT = 500;

/**
 * Parses an answer.
 *
 * @throws Error "it is ..., which is not JSON", or what is missing
 */
export function parseAnswer(text: string): NodeAnswer {
  const fields = fieldsOf(parseJson(text));
  if (!fields || !Array.isArray(fields["containers"])) throw new Error("it has no list of containers");
  const { lookedAt, problem, countersProblem, node, containers } = fields;
  return {
    lookedAt: typeof lookedAt === "string" ? parseTime(lookedAt) : undefined,
    problem: textOf(problem),
    countersProblem: textOf(countersProblem),
    node: nodeOf(fieldsOf(node)),
    containers: containers.slice(0, MAX_CONTAINERS).flatMap((each) => containerOf(fieldsOf(each)) ?? []),
  };
}

function nodeOf(fields: Fields | undefined): PluginNode | undefined {
  if (!fields) return undefined;
  const { version, acceleratesVeth } = fieldsOf(fields["module"]) ?? {};
  return {
    healthy: fields["healthy"] === true,
    problems: listOf(fields["problems"]).flatMap((each) => textOf(each) ?? []),
    controlPlane: textOf(fields["controlPlane"]),
    module: {
      version: textOf(version),
      acceleratesVeth: typeof acceleratesVeth === "boolean" ? acceleratesVeth : undefined,
    },
    nics: listOf(fields["nics"]).map((each) => {
      const { address, driver, interfaces } = fieldsOf(each) ?? {};
      return {
        address: wordOf(address) ?? "",
        driver: wordOf(driver),
        interfaces: listOf(interfaces).flatMap((name) => wordOf(name) ?? []),
      };
    }),
  };
}

type Fields = Record<string, unknown>;

function containerOf(fields: Fields | undefined): ContainerAnswer | undefined {
  if (!fields) return undefined;
  const { namespace, pod, container, podUid, accelerated, stackIds, cut, counters } = fields;
  const names = [namespace, pod, container, podUid].map(nameOf);
  if (names.includes(undefined)) return undefined;
  const [inNamespace = "", podName = "", containerName = "", uid = ""] = names;
  return {
    namespace: inNamespace,
    pod: podName,
    container: containerName,
    podUid: uid,
    accelerated: typeof accelerated === "boolean" ? accelerated : undefined,
    processes: Object.fromEntries(
      Object.entries(fieldsOf(fields["processes"]) ?? {})
        .slice(0, MAX_ITEMS)
        .map(([library, count]) => [shown(library), countOf(count)]),
    ),
    stacks: countOf(fields["stacks"]),
    stackIds: Array.isArray(stackIds) ? listOf(stackIds).filter(isCount) : undefined,
    sockets: listOf(fields["sockets"]).map((each) => {
      const socket = fieldsOf(each) ?? {};
      return {
        kind: wordOf(socket["kind"]) ?? "?",
        accelerated: socket["accelerated"] === true,
        count: countOf(socket["count"]),
      };
    }),
    interfaces: listOf(fields["interfaces"]).map((each) => {
      const { name, driver } = fieldsOf(each) ?? {};
      return { name: wordOf(name) ?? "?", driver: wordOf(driver) };
    }),
    interfacesCut: fields["interfacesCut"] === true,
    settings: settingsIn(fieldsOf(fields["settings"])),
    cut: cutOf(fieldsOf(cut)),
    processesCut: countOf(fieldsOf(cut)?.["processes"]),
    counters: Array.isArray(counters) ? listOf(counters).flatMap((each) => stackOf(fieldsOf(each)) ?? []) : undefined,
  };
}

function settingsIn(fields: Fields | undefined): ProcessSettings | undefined {
  if (fields === undefined) return undefined;
  const known = Object.entries(fields).filter(([name]) => isSettingName(name));
  const number = (value: unknown): string | null =>
    typeof value === "string" && isSettingNumber(value) ? value : null;
  return Object.fromEntries(known.slice(0, MAX_ITEMS).map(([name, value]) => [name, number(value)]));
}

function stackOf(fields: Fields | undefined): StackAnswer | undefined {
  const { id, values, recent } = fields ?? {};
  if (!isCount(id)) return undefined;
  const { seconds, grown } = fieldsOf(recent) ?? {};
  const isKnown = typeof seconds === "number" && Number.isFinite(seconds) && seconds > 0;
  return { id, values: countersOf(values), recent: isKnown ? { seconds, grown: countersOf(grown) } : undefined };
}

/** Those counters that this version knows. */
function countersOf(value: unknown): Record<string, number> {
  const fields = fieldsOf(value) ?? {};
  const known = STACK_COUNTERS.filter(({ name }) => Object.hasOwn(fields, name) && isCount(fields[name]));
  return Object.fromEntries(known.map(({ name }) => [name, fields[name] as number]));
}

function cutOf(cut: Fields | undefined): boolean {
  const names: readonly (keyof ContainerFacts["cut"])[] = ["processes", "descriptors", "tables"];
  return names.some((name) => countOf(cut?.[name]) > 0);
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value.slice(0, MAX_ITEMS) : [];
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function countOf(value: unknown): number {
  return isCount(value) ? value : 0;
}

/** The name of an object. */
function nameOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" && value.length <= 253 ? printable(value, 253) : undefined;
}

/** A name of an interface, a driver or a kind. */
function wordOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? shown(value) : undefined;
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? printable(value, MAX_TEXT) : undefined;
}
