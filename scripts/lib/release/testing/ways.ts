/** The ways in which a cluster gets the operator from the files of a release, each as a person or OLM does it. */
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import type { Cluster } from "../../../../internal/testcluster/cluster.ts";
import { output, run } from "../../../../internal/testcluster/lib/command.ts";

/** Where the operator's objects are, in every way. */
export const OPS = "onload-operator-system";

/** A release's files and what installs them. */
export interface Setting {
  /** With the release's files. */
  files: string;
  version: string;
  /** A folder for what is unpacked. */
  work: string;
  /** Helm's program. */
  helm: string;
  plane: Cluster;
}

/** One way: `remove` takes away what `onloadctl uninstall` leaves. */
export interface Way {
  install(setting: Setting): Promise<void>;
  remove(setting: Setting): Promise<void>;
}

export const WAYS: Readonly<Record<string, Way>> = {
  "kubectl, with install.yaml": {
    install: async ({ files, plane }) => plane.apply(await readFile(join(files, "install.yaml"), "utf8")),
    remove: async () => {},
  },
  "Helm, with the chart": {
    async install(setting) {
      const chart = join(setting.files, `onload-operator-${setting.version}.tgz`);
      await helm(setting, "install", "onload-operator", chart, "--create-namespace");
    },
    remove: async (setting) => helm(setting, "uninstall", "onload-operator"),
  },
  "OLM, with the objects of the bundle's image": {
    install: installBundle,
    // OLM takes away the rights that it has made.
    remove: async ({ plane, version }) => {
      await plane.kubectl(["delete", "clusterrolebinding,clusterrole", `onload-operator.v${version}`]);
    },
  },
};

async function helm({ helm: program, plane, work }: Setting, ...args: string[]): Promise<void> {
  const env = { HOME: work, KUBECONFIG: plane.kubeconfigPath };
  await run([program, ...args, `--namespace=${OPS}`], { env });
}

// oxlint-disable-next-line typescript/no-explicit-any -- YAML
type Yaml = any;

/** What OLM does: the bundle's objects, and from its ClusterServiceVersion the Deployment, its account and its rights. */
async function installBundle({ files, version, work, plane }: Setting): Promise<void> {
  const root = await bundleFiles(join(files, `onload-operator-bundle-${version}.oci.tar`), join(work, "bundle"));
  const manifests = join(root, "manifests");
  const objects: Yaml[] = [];
  for (const name of await readdir(manifests)) objects.push(parse(await readFile(join(manifests, name), "utf8")));
  const csv = objects.find(({ kind }) => kind === "ClusterServiceVersion");
  const { deployments, clusterPermissions, permissions } = csv.spec.install.spec;
  const namespace = JSON.parse(csv.metadata.annotations["operatorframework.io/suggested-namespace-template"]);
  const accounts = new Set<string>(
    [...clusterPermissions, ...permissions].map(({ serviceAccountName }: Yaml) => serviceAccountName),
  );
  const list = [
    namespace,
    ...objects.filter((object) => object !== csv),
    ...[...accounts].map((name) => ({ apiVersion: "v1", kind: "ServiceAccount", metadata: { namespace: OPS, name } })),
    ...clusterPermissions.flatMap((each: Yaml) => rights("ClusterRole", { name: csv.metadata.name }, each)),
    ...permissions.flatMap((each: Yaml) => rights("Role", { namespace: OPS, name: csv.metadata.name }, each)),
    ...deployments.map(({ name, label, spec }: Yaml) => ({
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { namespace: OPS, name, labels: label },
      spec,
    })),
  ];
  for (const object of list) await plane.apply(JSON.stringify(object));
}

function rights(kind: string, metadata: object, { serviceAccountName, rules }: Yaml): object[] {
  const apiVersion = "rbac.authorization.k8s.io/v1";
  const roleRef = { apiGroup: "rbac.authorization.k8s.io", kind, name: (metadata as { name: string }).name };
  const subjects = [{ kind: "ServiceAccount", namespace: OPS, name: serviceAccountName }];
  return [
    { apiVersion, kind, metadata, rules },
    { apiVersion, kind: `${kind}Binding`, metadata, roleRef, subjects },
  ];
}

/** Unpacks the only layer of a bundle's image, by skopeo. */
async function bundleFiles(archive: string, folder: string): Promise<string> {
  const [image, root] = [join(folder, "image"), join(folder, "root")];
  await mkdir(root, { recursive: true });
  await run(["skopeo", "copy", "--quiet", `oci-archive:${archive}`, `dir:${image}`]);
  const { layers } = JSON.parse(await readFile(join(image, "manifest.json"), "utf8")) as Yaml;
  await output(["tar", "-C", root, "-xzf", join(image, layers[0].digest.slice("sha256:".length))]);
  return root;
}
