/** Reads which versions of the operator and of KMM run in the cluster, with the rights of whoever asks. */
import type { Deployment } from "../api/core.ts";
import { kmmCapabilities } from "../api/kmm.ts";
import type { Client } from "../kube/client.ts";
import { readEvidence } from "../operator/view/evidence.ts";
import { imageText, operatorImages, servingOf, type Serving } from "../operator/view/serving.ts";
import { kmmDeployments } from "./kmm.ts";
import { readCrds } from "./read.ts";
import { imageOf, kmmSeries, operatorVersion, versionOfImage } from "./versions.ts";

/** What is known of the operator. */
export interface OperatorVersion {
  serving: Serving;
  /** Undefined if nothing tells it. */
  version: string | undefined;
  /** Images of its Deployments, with their namespace and name. */
  images: string[];
}

/** What is known of KMM. */
export interface KmmVersion {
  /** By the tag of its image; undefined if that tells none. */
  version: string | undefined;
  /** By its CRDs, such as "2.4 or later"; undefined if it is not installed, or that is not known. */
  series: string | undefined;
  images: string[];
  /** What could not be read, and why. */
  problem: string | undefined;
}

/** What runs in the cluster. */
export interface ClusterVersions {
  operator: OperatorVersion;
  kmm: KmmVersion;
}

/** Reads it. @throws ConnectionError if the API server does not answer */
export async function clusterVersions(
  client: Pick<Client, "list" | "get" | "transport">,
  now: number,
  signal: AbortSignal,
): Promise<ClusterVersions> {
  const [evidence, deployments, crds] = await Promise.all([
    readEvidence(client, signal),
    kmmDeployments(client, signal),
    readCrds(client, signal),
  ]);
  const found: Deployment[] = "value" in deployments ? deployments.value : [];
  const capabilities = "value" in crds ? kmmCapabilities(crds.value) : undefined;
  return {
    operator: {
      serving: servingOf(evidence, now),
      version: operatorVersion(evidence),
      images: operatorImages(evidence),
    },
    kmm: {
      version: found.map(versionOfImage).find((each) => each !== undefined),
      series: capabilities && kmmSeries(capabilities),
      images: found.map((deployment) => imageText(deployment, imageOf(deployment))),
      problem: [deployments, crds].flatMap((each) => ("problem" in each ? [each.refusal ?? each.problem] : [])).at(0),
    },
  };
}
