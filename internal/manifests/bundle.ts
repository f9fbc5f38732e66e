/** The OLM bundle: the same manifests in the form that the Operator Lifecycle Manager installs from. */
import { parse, parseAllDocuments, stringify } from "yaml";
import { imageParts } from "./helm/values.ts";
import { FILES } from "./files.gen.ts";
import { render } from "./render.ts";

interface Resource {
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  [field: string]: unknown;
}

interface Csv extends Resource {
  metadata: Resource["metadata"] & { annotations: Record<string, string> };
  spec: Record<string, unknown> & { customresourcedefinitions: { owned: Record<string, unknown>[] } };
}

/**
 * Files of a bundle by their path in its folder.
 *
 * @param image onloadctl's image; by digest if the bundle has to work in a disconnected cluster
 * @param version of the bundle, a semver such as 0.1.0
 */
export function bundle({ image: given, version }: { image: string; version: string }): Record<string, string> {
  const { repository, digest } = imageParts(given);
  // What mirrors the images of bundles fails at a tag beside a digest.
  const image = digest === "" ? given : `${repository}@${digest}`;
  const all = parseAllDocuments(render("default", { image })).map((document) => document.toJS() as Resource);
  const crd = all.find(({ kind }) => kind === "CustomResourceDefinition")!;
  const roles = all.filter(({ kind, metadata }) => kind === "ClusterRole" && metadata.name.includes("-onload-"));
  const annotations = parse(FILES["olm/annotations.yaml"]!) as { annotations: Record<string, string> };
  return {
    "manifests/onload-operator.clusterserviceversion.yaml": yaml(csv(all, image, version)),
    [`manifests/${crd.metadata.name}.crd.yaml`]: yaml(crd),
    ...Object.fromEntries(roles.map((role) => [`manifests/${role.metadata.name}.clusterrole.yaml`, yaml(role)])),
    "metadata/annotations.yaml": FILES["olm/annotations.yaml"]!,
    "metadata/dependencies.yaml": FILES["olm/dependencies.yaml"]!,
    "tests/scorecard/config.yaml": FILES["olm/scorecard.yaml"]!,
    "bundle.Dockerfile": dockerfile(annotations.annotations),
  };
}

function csv(all: Resource[], image: string, version: string): Csv {
  const out = parse(FILES["olm/clusterserviceversion.yaml"]!) as Csv;
  const find = (kind: string, name: RegExp): Resource =>
    all.find(({ kind: k, metadata }) => k === kind && name.test(metadata.name))!;
  const deployment = find("Deployment", /./);
  const serviceAccountName = find("ServiceAccount", /./).metadata.name;
  const sample = parseAllDocuments(FILES["samples/onload/onload_v1alpha1_onload.yaml"]!).map((document) =>
    document.toJS(),
  );
  out.metadata.name = `onload-operator.v${version}`;
  Object.assign(out.metadata.annotations, {
    containerImage: image,
    // By a tag, nodes would ask the registry itself: OpenShift's mirrors stand in for digests.
    "features.operators.openshift.io/disconnected": String(image.includes("@")),
    "alm-examples": JSON.stringify(sample, null, 2),
    // OLM upgrades from every older version at once: each operator takes over what any of them has left.
    "olm.skipRange": `<${version}`,
  });
  out.spec.customresourcedefinitions.owned[0]!["version"] = "v1alpha1";
  Object.assign(out.spec, {
    version,
    relatedImages: [{ name: "onloadctl", image }],
    install: {
      strategy: "deployment",
      spec: {
        deployments: [{ name: deployment.metadata.name, label: deployment.metadata.labels, spec: deployment["spec"] }],
        clusterPermissions: [{ serviceAccountName, rules: find("ClusterRole", /manager/)["rules"] }],
        permissions: [{ serviceAccountName, rules: find("Role", /./)["rules"] }],
      },
    },
  });
  return out;
}

function dockerfile(annotations: Record<string, string>): string {
  const labels = Object.entries(annotations).map(([key, value]) => `LABEL ${key}=${value}`);
  return [
    "FROM scratch",
    ...labels,
    "COPY manifests /manifests/",
    "COPY metadata /metadata/",
    "COPY tests /tests/",
    "",
  ].join("\n");
}

function yaml(object: object): string {
  return stringify(object, { lineWidth: 0, aliasDuplicateObjects: false });
}
