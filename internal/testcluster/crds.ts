import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { poll } from "./lib/poll.ts";
import { moduleFolder } from "./tools/index.ts";
import type { Cluster } from "./cluster.ts";

/** Installs KMM 1.1.0's CRDs and the NetworkAttachmentDefinition CRD, and waits until the API server serves them. */
export async function installCrds(cluster: Cluster): Promise<void> {
  const kmm = join(
    await moduleFolder("kmm", "github.com/kubernetes-sigs/kernel-module-management"),
    "config/crd/bases",
  );
  const manifests = readdirSync(kmm).map((file) => readFileSync(join(kmm, file), "utf8"));
  manifests.push(networkAttachmentDefinition);
  await cluster.apply(manifests.join("\n---\n"));
  await poll(
    async () => {
      const { items } = await cluster.request<CrdList>(
        "GET",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
      );
      return items.every(({ status }) =>
        status?.conditions?.some((condition) => condition.type === "Established" && condition.status === "True"),
      );
    },
    { what: "Establishment of the CRDs" },
  );
}

interface CrdList {
  readonly items: {
    readonly status?: { readonly conditions?: { readonly type: string; readonly status: string }[] };
  }[];
}

/** The CRD by which pods name further networks (the multi-network working group's, v1). */
const networkAttachmentDefinition = JSON.stringify({
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "network-attachment-definitions.k8s.cni.cncf.io" },
  spec: {
    group: "k8s.cni.cncf.io",
    scope: "Namespaced",
    names: {
      plural: "network-attachment-definitions",
      singular: "network-attachment-definition",
      kind: "NetworkAttachmentDefinition",
      shortNames: ["net-attach-def"],
    },
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: { spec: { type: "object", properties: { config: { type: "string" } } } },
          },
        },
      },
    ],
  },
});
