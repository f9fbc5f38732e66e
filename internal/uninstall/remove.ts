/** Removes what the manifests have installed, once no Onload resource is left. */
import { firstFew } from "../cli/first-few.ts";
import type { KubeObject, Pod } from "../api/core.ts";
import { ALLOW_DELETION_ANNOTATION, OPERATOR_SELECTOR } from "../api/names.ts";
import { ONLOADS } from "../api/resources.ts";
import type { Client } from "../kube/client.ts";
import { sleep, systemClock } from "../kube/clock.ts";
import type { ServedKind } from "../kube/discovery.ts";
import { isConflict, isNotFound } from "../kube/errors.ts";
import { CUSTOM_RESOURCE_DEFINITIONS, describeRef, NAMESPACES, PODS } from "../kube/resource.ts";
import { describeObject, manifestObjects, type LiveObject } from "./installed.ts";
import { foreignContent } from "./namespace-content.ts";
import { listOrNone } from "./onloads.ts";

/** What removing needs to know. */
export interface RemovalOptions {
  client: Client;
  kinds: readonly ServedKind[];
  /** The operator's namespace. */
  namespace: string;
  /** Whether the CRD goes too. */
  crd: boolean;
  say: (line: string) => void;
}

/** How often to look whether something has gone. */
const POLL_MS = 500;
/** The operator's pods end within ten seconds, unless their node is away. */
const PODS_GONE_MS = 60_000;
/** A namespace goes within seconds, unless a finalizer holds something in it. */
const OBJECT_GONE_MS = 120_000;

/**
 * Removes objects in their order; what has gone already is no failure.
 *
 * @returns what stays, with the reason
 * @throws Error if Onload resources are left, or the API server refuses
 */
export async function removeInstalled(
  options: RemovalOptions,
  objects: readonly LiveObject[],
  signal: AbortSignal,
): Promise<string[]> {
  const { client, namespace, crd, say } = options;
  await requireNoOnloads(client, signal);
  const kept: string[] = [];
  for (const object of objects) {
    const { kind } = object.resource;
    if (kind === CUSTOM_RESOURCE_DEFINITIONS.kind && !crd) continue;
    if (kind === NAMESPACES.kind) {
      const content = await foreignContent(client, options.kinds, namespace, manifestObjects(namespace), signal);
      if (content.length > 0) {
        kept.push(namespaceKept(namespace, content));
        continue;
      }
    }
    if (kind === CUSTOM_RESOURCE_DEFINITIONS.kind) await allowDeletion(client, object, signal);
    await deleteObject(client, object, signal);
    if (kind === "Deployment") await operatorEnded(options, signal);
    if (kind === NAMESPACES.kind || kind === CUSTOM_RESOURCE_DEFINITIONS.kind) {
      await gone(client, object, signal);
    }
    say(`Removed ${describeObject(object)}`);
  }
  return kept;
}

/** Why a namespace stays. */
export function namespaceKept(namespace: string, content: readonly string[]): string {
  return `Namespace "${namespace}": it also has ${firstFew(content, 5)}; if they may go, run \`kubectl delete namespace ${namespace}\``;
}

/** @throws Error if there is an Onload resource: without the operator its nodes would never be clean */
async function requireNoOnloads(client: Client, signal: AbortSignal): Promise<void> {
  const left = await listOrNone(client, signal);
  const [first] = left;
  if (!first) return;
  throw new Error(
    `Cannot remove the operator: ${describeRef(ONLOADS, { namespace: first.metadata.namespace, name: first.metadata.name })} was made meanwhile; run \`onloadctl uninstall\` again`,
  );
}

/** Lets the policy pass the deletion of the CRD. */
async function allowDeletion(client: Client, { resource, ref }: LiveObject, signal: AbortSignal): Promise<void> {
  const patch = { metadata: { annotations: { [ALLOW_DELETION_ANNOTATION]: "true" } } };
  try {
    await client.mergePatch(resource, ref, patch, { signal });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** Deletes an object, unless another of its name has come in its place. */
async function deleteObject(client: Client, object: LiveObject, signal: AbortSignal): Promise<void> {
  const { resource, ref, uid } = object;
  try {
    await client.delete(resource, ref, { uid, signal });
  } catch (error) {
    if (!isConflict(error)) throw error;
    throw new Error(
      `Cannot remove ${describeObject(object)}: it was made again meanwhile; run \`onloadctl uninstall\` again`,
      { cause: error },
    );
  }
}

/** Waits until the operator has ended, so that it does not lose its rights first. */
async function operatorEnded({ client, namespace, say }: RemovalOptions, signal: AbortSignal): Promise<void> {
  const selection = { namespace, labelSelector: OPERATOR_SELECTOR, signal };
  const ended = async (): Promise<boolean> => (await client.list<Pod>(PODS, selection)).items.length === 0;
  if (!(await within(PODS_GONE_MS, ended, signal)))
    say("The operator's pods have not ended yet; they have nothing to do");
}

async function gone(client: Client, object: LiveObject, signal: AbortSignal): Promise<void> {
  const { resource, ref, uid } = object;
  const isGone = async (): Promise<boolean> => {
    const live = await client.get<KubeObject>(resource, ref, { signal });
    return live?.metadata.uid !== uid;
  };
  if (await within(OBJECT_GONE_MS, isGone, signal)) return;
  throw new Error(
    `Cannot remove ${describeObject(object)}: a finalizer still holds something; see its status, and run \`onloadctl uninstall\` again`,
  );
}

async function within(limitMs: number, check: () => Promise<boolean>, signal: AbortSignal): Promise<boolean> {
  const end = systemClock.monotonic() + limitMs;
  while (!(await check())) {
    if (systemClock.monotonic() >= end) return false;
    await sleep(POLL_MS, signal);
  }
  return true;
}
