/** What there is of Onload resources. */
import type { KubeObject } from "../api/core.ts";
import { devicePluginName, MANAGED_BY_LABEL, onloadModuleName, OPERATOR_NAME, sfcModuleName } from "../api/names.ts";
import { MODULES, ONLOADS, type Resource } from "../api/resources.ts";
import type { ListAllOptions } from "../kube/call-options.ts";
import type { Client } from "../kube/client.ts";
import { isNotFound } from "../kube/errors.ts";
import { DAEMON_SETS, describeRef, refOf } from "../kube/resource.ts";
import type { RawOnload } from "../operator/cache/caches.ts";

/** All Onload resources; none if their kind is not installed. */
export async function listOrNone(client: Client, signal: AbortSignal): Promise<RawOnload[]> {
  return listIfServed<RawOnload>(client, ONLOADS, { signal });
}

/**
 * Modules and DaemonSets whose Onload resource is gone although they are not: somebody has removed its finalizer by hand.
 * Their nodes still have labels and drivers.
 */
export async function leftovers(client: Client, onloads: readonly RawOnload[], signal: AbortSignal): Promise<string[]> {
  const labelSelector = `${MANAGED_BY_LABEL}=${OPERATOR_NAME}`;
  const ofOnloads = new Set(
    onloads.flatMap(({ metadata: { namespace, name } }) =>
      [onloadModuleName(name), sfcModuleName(name), devicePluginName(name)].map((each) => `${namespace}/${each}`),
    ),
  );
  const found = [MODULES, DAEMON_SETS].map(async (resource) => {
    const items = await listIfServed(client, resource, { labelSelector, signal });
    return items
      .filter(({ metadata }) => !ofOnloads.has(`${metadata.namespace}/${metadata.name}`))
      .map((item) => describeRef(resource, refOf(item)));
  });
  return (await Promise.all(found)).flat();
}

/** The objects of a kind; none if it is not installed. */
async function listIfServed<T extends KubeObject>(
  client: Client,
  resource: Resource,
  options: ListAllOptions<T>,
): Promise<T[]> {
  try {
    return (await client.list<T>(resource, options)).items;
  } catch (error) {
    if (isNotFound(error)) return [];
    throw error;
  }
}
