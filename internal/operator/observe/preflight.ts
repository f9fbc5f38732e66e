/** What is wrong with a whole Onload resource or its cluster, before any node is looked at. */
import { errorText } from "../../cli/errors.ts";
import type { DeepReadonly } from "../../api/core.ts";
import { nameProblem, withDefaults, type Onload } from "../../api/onload.ts";
import { REASON } from "../../api/reasons.ts";
import type { ClusterClient } from "../cache/cluster-client.ts";
import { SERVICE_ACCOUNTS } from "../../kube/resource.ts";
import type { RawOnload } from "../cache/caches.ts";
import type { Trouble } from "../report/conditions.ts";

/** The resource with its defaults, or why it cannot work. */
export function readOnload(raw: DeepReadonly<RawOnload>): { onload: Onload | undefined; trouble: Trouble | undefined } {
  try {
    const onload = withDefaults(raw as Parameters<typeof withDefaults>[0]);
    const problem = nameProblem(onload.metadata);
    return { onload, trouble: problem === undefined ? undefined : { reason: REASON.InvalidSpec, message: problem } };
  } catch (error) {
    return { onload: undefined, trouble: { reason: REASON.InvalidSpec, message: errorText(error) } };
  }
}

export const KMM_MISSING: Trouble = {
  reason: REASON.KmmNotInstalled,
  message:
    "The Module CRD of Kernel Module Management (KMM) is not in the cluster; install KMM, and the rollout goes on by itself",
};

export const NO_IMAGE: Trouble = {
  reason: REASON.NoDevicePluginImage,
  message:
    "No image of the device plugin is known; set spec.devicePlugin.devicePluginImage, or DEVICE_PLUGIN_IMG of the operator",
};

export function heldBackTrouble(changes: readonly string[]): Trouble[] {
  if (changes.length === 0) return [];
  return [
    {
      reason: REASON.ChangeHeldBack,
      message: `Held back, because it would reload drivers on all nodes at once: ${changes.join(", ")}; change spec.onload.version to roll it out node by node`,
    },
  ];
}

/** A ServiceAccount that exists is asked for again after this time. */
const TRUSTED_MS = 5 * 60_000;

/** Knows which ServiceAccounts exist, without following all of the cluster's. */
export class ServiceAccounts {
  readonly #client: ClusterClient;
  readonly #now: () => number;
  readonly #seenAt = new Map<string, number>();

  constructor(client: ClusterClient, now: () => number) {
    this.#client = client;
    this.#now = now;
  }

  async trouble({ metadata, spec }: DeepReadonly<Onload>, signal: AbortSignal): Promise<Trouble[]> {
    const { namespace = "" } = metadata;
    const name = spec.serviceAccountName;
    const id = `${namespace}/${name}`;
    const now = this.#now();
    if (name === "" || now - (this.#seenAt.get(id) ?? -Infinity) < TRUSTED_MS) return [];
    if (await this.#client.get(SERVICE_ACCOUNTS, { namespace, name }, { signal })) {
      this.#seenAt.set(id, now);
      return [];
    }
    this.#seenAt.delete(id);
    const message = `spec.serviceAccountName "${name}" does not exist in namespace "${namespace}"; create the ServiceAccount, and allow it privileged pods`;
    return [{ reason: REASON.ServiceAccountMissing, message }];
  }
}
