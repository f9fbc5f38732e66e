import { describe, expect, test } from "bun:test";
import { parse, parseAllDocuments } from "yaml";
import { bundle } from "./bundle.ts";
import { render } from "./render.ts";

describe("bundle", () => {
  const image = "registry.example.com/onloadctl@sha256:0123";
  const files = bundle({ image, version: "1.2.3" });
  const csv = parse(files["manifests/onload-operator.clusterserviceversion.yaml"]!);
  const installed = parseAllDocuments(render("default", { image })).map((document) => document.toJS());
  const of = (kind: string): any => installed.find((object) => object.kind === kind);

  test("has what OLM looks for", () => {
    expect(Object.keys(files).sort()).toEqual([
      "bundle.Dockerfile",
      "manifests/onload-operator-onload-aggregate-to-view.clusterrole.yaml",
      "manifests/onload-operator-onload-deployer-role.clusterrole.yaml",
      "manifests/onload-operator-onload-doctor-role.clusterrole.yaml",
      "manifests/onload-operator-onload-editor-role.clusterrole.yaml",
      "manifests/onload-operator-onload-stack-role.clusterrole.yaml",
      "manifests/onload-operator-onload-viewer-role.clusterrole.yaml",
      "manifests/onload-operator.clusterserviceversion.yaml",
      "manifests/onloads.onload.amd.com.crd.yaml",
      "metadata/annotations.yaml",
      "metadata/dependencies.yaml",
      "tests/scorecard/config.yaml",
    ]);
    // OLM knows no admission policies: the description says how to install them.
    expect(csv.spec.description).toContain("onloadctl manifests admission | kubectl apply");
    const { annotations } = parse(files["metadata/annotations.yaml"]!) as { annotations: Record<string, string> };
    for (const [key, value] of Object.entries(annotations)) {
      expect(files["bundle.Dockerfile"]).toContain(`LABEL ${key}=${value}\n`);
    }
  });

  test("installs the same Deployment with the same permissions as the other manifests", () => {
    const { install } = csv.spec;
    expect(install.strategy).toBe("deployment");
    expect(install.spec.deployments).toEqual([
      {
        name: "onload-operator-controller-manager",
        label: of("Deployment").metadata.labels,
        spec: of("Deployment").spec,
      },
    ]);
    const serviceAccountName = of("Deployment").spec.template.spec.serviceAccountName;
    expect(install.spec.clusterPermissions).toEqual([{ serviceAccountName, rules: of("ClusterRole").rules }]);
    expect(install.spec.permissions).toEqual([{ serviceAccountName, rules: of("Role").rules }]);
    expect(parse(files["manifests/onloads.onload.amd.com.crd.yaml"]!)).toEqual(of("CustomResourceDefinition"));
  });

  test("names version and image everywhere that a mirror looks", () => {
    expect(csv.metadata.name).toBe("onload-operator.v1.2.3");
    expect(csv.spec.version).toBe("1.2.3");
    expect(csv.spec.relatedImages).toEqual([{ name: "onloadctl", image }]);
    expect(csv.metadata.annotations.containerImage).toBe(image);
    expect(csv.metadata.annotations["olm.skipRange"]).toBe("<1.2.3");
  });

  test("of an image by tag and digest names the digest alone, which mirrors take", () => {
    const both = { image: "registry.example.com:5000/onloadctl:1.2.3@sha256:0123", version: "1.2.3" };
    const one = { ...both, image: "registry.example.com:5000/onloadctl@sha256:0123" };
    expect(bundle(both)).toEqual(bundle(one));
    expect(JSON.stringify(bundle(both))).not.toContain("onloadctl:1.2.3");
  });

  test("is for disconnected clusters only if it names the image by digest", () => {
    const said = (image: string): string =>
      parse(bundle({ image, version: "1.2.3" })["manifests/onload-operator.clusterserviceversion.yaml"]!).metadata
        .annotations["features.operators.openshift.io/disconnected"];
    expect([said(image), said("registry.example.com:5000/onloadctl:1.2.3")]).toEqual(["true", "false"]);
  });

  test("is for every cluster that the operator runs on", () => {
    expect(csv.spec.minKubeVersion).toBe("1.25.0");
    // A single version is the oldest one of OpenShift: 4.12 has Kubernetes 1.25.
    const { annotations } = parse(files["metadata/annotations.yaml"]!) as { annotations: Record<string, string> };
    expect(annotations["com.redhat.openshift.versions"]).toBe("v4.12");
    // The old OLMs refuse a bundle that has a kind which they do not know.
    expect(Object.values(files).join()).not.toContain("kind: ValidatingAdmissionPolicy");
  });

  test("has the sample resource as its example", () => {
    const [example] = JSON.parse(csv.metadata.annotations["alm-examples"]);
    expect(example).toEqual(
      parseAllDocuments(render("samples/onload"))
        .map((document) => document.toJS())
        .find(({ kind }) => kind === "Onload"),
    );
  });
});
