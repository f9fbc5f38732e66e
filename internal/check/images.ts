/** Every image that Onload and KMM need in a cluster, such as one without a way to the registries of others. */
import type { CustomResourceDefinition, DeepReadonly, Deployment, Node } from "../api/core.ts";
import { kmmCapabilities } from "../api/kmm.ts";
import { ONLOADS } from "../api/resources.ts";
import { firstFew } from "../cli/first-few.ts";
import type { Client } from "../kube/client.ts";
import { objectKey } from "../kube/object.ts";
import { missingRights } from "../kube/rights-advice.ts";
import { DEPLOYMENTS, NODES } from "../kube/resource.ts";
import type { RawOnload } from "../operator/cache/caches.ts";
import { kmmFor } from "../operator/kmm/installed.ts";
import { readOnload } from "../operator/observe/preflight.ts";
import { readEvidence } from "../operator/view/evidence.ts";
import { KMM_DEPLOYMENTS } from "../operator/view/kmm-operator.ts";
import { kmmDeployments } from "./kmm.ts";
import { readAll, readCrds, type Read } from "./read.ts";
import { selectedOf } from "./resource.ts";
import { usesOf, type Use } from "./uses.ts";

/** So many resources are named of those with the same problem. */
const MAX_NAMED = 3;

/** An image, and what needs it. */
export interface NeededImage {
  image: string;
  uses: string[];
  /** KMM builds it in the cluster and pushes it there. */
  isBuilt: boolean;
}

/** What came of a look at a cluster. */
export interface NeededImages {
  /** Each once, in the order in which an installation needs them. */
  images: NeededImage[];
  /** What could not be read, so that images may be missing. */
  problems: string[];
}

/** What is read of the cluster. */
interface Seen {
  onloads: Read<readonly RawOnload[]>;
  nodes: Read<readonly Node[]>;
  crds: Read<readonly CustomResourceDefinition[]>;
  operators: Read<readonly Deployment[]>;
  /** The Deployments of KMM's operator, and then all of each of their namespaces. */
  kmm: readonly [Read<readonly Deployment[]>, ...Read<readonly Deployment[]>[]];
}

/**
 * Finds out what the operator, KMM and Onload resources need.
 *
 * @param client whose refusals give no advice: that is given once for all
 * @param supposed resources of a file; undefined: those of the cluster
 * @param namespace of the resources; undefined: all
 * @param further images that a person names
 * @throws ConnectionError if the API server does not answer; what it refuses is a problem
 */
export async function neededImages(
  client: Client,
  supposed: readonly RawOnload[] | undefined,
  namespace: string | undefined,
  further: readonly string[],
  signal: AbortSignal,
): Promise<NeededImages> {
  const [evidence, kmm, crds, nodes, onloads] = await Promise.all([
    readEvidence(client, signal),
    kmmDeployments(client, signal).then(async (found): Promise<Seen["kmm"]> => {
      const own = "value" in found ? found.value : [];
      const namespaces = [...new Set(own.map(({ metadata }) => metadata.namespace ?? ""))];
      const lists = namespaces.map((each) => readAll<Deployment>(client, DEPLOYMENTS, signal, { namespace: each }));
      return [found, ...(await Promise.all(lists))];
    }),
    readCrds(client, signal),
    readAll<Node>(client, NODES, signal),
    supposed ? { value: supposed } : readAll<RawOnload>(client, ONLOADS, signal, { namespace }),
  ]);
  const { items, problem } = evidence.deployments;
  const operators = problem !== undefined && items.length === 0 ? { problem } : { value: items };
  return collect({ onloads, nodes, crds, operators, kmm }, further);
}

/** What all that was read needs. Pure. */
export function collect(seen: Seen, further: readonly string[] = []): NeededImages {
  const of = <T>(found: Read<readonly T[]>): readonly T[] => ("value" in found ? found.value : []);
  const installed = kmmCapabilities(of(seen.crds));
  const kind = kmmFor(installed);
  const problems = [seen.operators, ...seen.kmm, seen.crds, seen.nodes, seen.onloads].flatMap((found) =>
    "problem" in found ? [found.refusal ?? found.problem] : [],
  );
  const [kmmItself] = seen.kmm;
  if ("value" in kmmItself && kmmItself.value.length === 0) {
    problems.push(
      "value" in seen.crds && !installed
        ? "KMM is not installed: its images are not in the list"
        : `No Deployment is called ${KMM_DEPLOYMENTS.join(" or ")}: images of KMM are not in the list`,
    );
  }
  const onloads = of(seen.onloads);
  // It is the device plugin's, too.
  if (onloads.length > 0 && "value" in seen.operators && seen.operators.value.length === 0 && further.length === 0) {
    problems.push("No operator is installed: its image is not in the list; name it with --image");
  }
  const idle: string[] = [];
  const resources = onloads.flatMap((raw) => {
    const { onload, problem } = readOnload(raw);
    if (!onload) {
      problems.push(`${objectKey(raw)}: ${problem?.message ?? "it cannot be read"}`);
      return [];
    }
    if ("value" in seen.nodes && selectedOf(onload, seen.nodes.value).length === 0) {
      idle.push(objectKey(raw));
    }
    return usesOf(onload, of(seen.nodes), kind);
  });
  if (idle.length > 0) {
    problems.push(
      `${firstFew(idle, MAX_NAMED)}: no node has the labels of spec.selector: images of kernel modules are not in the list; label the nodes first`,
    );
  }
  const uses = [
    ...further.map((image) => ({ image, use: "named with --image" })),
    ...of(seen.operators).flatMap((deployment) => imagesIn(deployment, "operator")),
    ...resources,
    ...seen.kmm.flatMap(of).flatMap((deployment) => imagesIn(deployment, "KMM")),
  ];
  return { images: merge(uses), problems: missingRights(problems) };
}

/** Variables by which KMM is told images: its workers', and those of builds and signatures. And the operator: the device plugin's. */
const TOLD = /^(?:DEVICE_PLUGIN_IMG$|RELATED_IMAGES?_)/;

/** Images of the containers, and those that these are told by variables. */
function imagesIn({ metadata, spec }: DeepReadonly<Deployment>, whose: string): Use[] {
  const pod = spec?.template?.spec;
  const containers = [...(pod?.initContainers ?? []), ...(pod?.containers ?? [])];
  const related = containers.flatMap(({ env = [] }) => env.filter(({ name }) => TOLD.test(name)));
  return [
    ...containers.map(({ name, image }) => ({ image, use: `${whose}: container ${name} of ${metadata.name}` })),
    ...related.map(({ name, value }) => ({ image: value, use: `${whose}: ${name} of ${metadata.name}` })),
  ];
}

function merge(uses: readonly Use[]): NeededImage[] {
  const images = new Map<string, NeededImage>();
  for (const { image, use, isBuilt = false } of uses) {
    if (!image) continue;
    const known = images.get(image);
    if (!known) images.set(image, { image, uses: [use], isBuilt });
    else if (!known.uses.includes(use)) known.uses.push(use);
  }
  return [...images.values()];
}
