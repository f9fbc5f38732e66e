import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { FILES } from "./files.gen.ts";
import { PROTECTING_POLICIES } from "../api/names.ts";
import { BUN_VARIABLES, LOADER_VARIABLES } from "../api/runtime-variables.ts";
import { render, type RenderOptions } from "./render.ts";

interface Rendered {
  kind: string;
  metadata: { name: string; namespace?: string };
  subjects?: { namespace: string }[];
  spec?: { template?: { spec: { containers: { image: string }[] } } };
}
const objects = (yaml: string): Rendered[] => parseAllDocuments(yaml).map((document) => document.toJS() as Rendered);

test("every file of the trees is in the executable, as it stands", async () => {
  const onDisk = readdirSync(import.meta.dir, { recursive: true, encoding: "utf8" }).filter((path) =>
    path.endsWith(".yaml"),
  );
  expect(Object.keys(FILES).sort()).toEqual(onDisk.sort());
  for (const path of onDisk) expect(FILES[path]).toBe(await Bun.file(join(import.meta.dir, path)).text());
});

describe("render", () => {
  test("prints the namespace and the CRD before what needs them, one document each", () => {
    const kinds = objects(render("default")).map(({ kind }) => kind);
    expect(kinds[0]).toBe("Namespace");
    expect(kinds.filter((kind) => kind === "CustomResourceDefinition")).toHaveLength(1);
    expect(new Set(kinds)).toContain("Deployment");
  });

  test("sets the image only where onloadctl's own stands", () => {
    const [deployment] = objects(render("default", { image: "localhost:5000/onloadctl@sha256:0" })).filter(
      ({ kind }) => kind === "Deployment",
    );
    expect(deployment!.spec!.template!.spec.containers.map(({ image }) => image)).toEqual([
      "localhost:5000/onloadctl@sha256:0",
    ]);
    const [pod] = objects(render("samples/pod", { image: "other:1" }));
    expect(JSON.stringify(pod)).not.toContain("other:1");
  });

  test("a pull secret is in the operator's pods, and nothing else changes", () => {
    const plain = objects(render("default"));
    const deployment = plain.find(({ kind }) => kind === "Deployment");
    Object.assign(deployment!.spec!.template!.spec, { imagePullSecrets: [{ name: "mirror" }] });
    expect(objects(render("default", { imagePullSecret: "mirror" }))).toEqual(plain);
  });

  test.each(["default", "before-1.30"])("%s bounds each container, and no image's environment loads code", (tree) => {
    const all = parseAllDocuments(render(tree)).map((document) => document.toJS());
    const workloads = all.filter(({ kind }) => kind === "Deployment" || kind === "DaemonSet");
    expect(workloads.length).toBeGreaterThan(0);
    for (const { spec } of workloads) {
      const { initContainers = [], containers } = spec.template.spec;
      for (const { env, resources } of [...initContainers, ...containers]) {
        // Without a value it is empty.
        for (const name of [...BUN_VARIABLES, ...LOADER_VARIABLES]) expect(env).toContainEqual({ name });
        expect(resources.limits).toEqual({ memory: "256Mi" });
        expect(resources.requests).toEqual({ cpu: expect.any(String), memory: expect.any(String) });
      }
    }
  });

  test("has a tree without what Kubernetes before 1.30 does not know, and with all the rest in the same order", () => {
    const all = objects(render("default"));
    const older = objects(render("before-1.30"));
    expect(older).toEqual(all.filter(({ kind }) => !kind.startsWith("ValidatingAdmissionPolicy")));
    expect(older.length).toBeLessThan(all.length);
  });

  test("has the admission policies that the status asks for, each with a binding that denies", () => {
    const named = (kind: string): Rendered[] => objects(render("admission")).filter((object) => object.kind === kind);
    const names = (kind: string): string[] => named(kind).map(({ metadata }) => metadata.name);
    const policies = names("ValidatingAdmissionPolicy");
    // These protect from mistakes in a resource, and from being told that an operator acts; nodes from nobody.
    const others = ["annotations", "name-length", "selector", "presence"].map((name) => `onload-operator-${name}`);
    expect(policies.filter((name) => !others.includes(name))).toEqual([...PROTECTING_POLICIES]);
    expect(names("ValidatingAdmissionPolicyBinding")).toEqual(policies);
    for (const { metadata, spec } of named("ValidatingAdmissionPolicyBinding")) {
      expect(spec).toMatchObject({ policyName: metadata.name, validationActions: ["Deny"] });
    }
  });

  test("no admission policy makes one list of all labels or annotations, but those of nodes, which have a limit", () => {
    // With 16,000 of them, which somebody else may set, to go through such a list takes the API server half a minute.
    const expressions = (value: unknown): string[] =>
      typeof value === "string" ? [value] : value === null ? [] : Object.values(value as object).flatMap(expressions);
    const lists = objects(render("admission"))
      .filter(({ metadata }) => metadata.name !== "onload-operator-node-labels")
      .filter((object) => expressions(object).some((text) => /\.map\((\w+), \1\)/.test(text)));
    expect(lists.map(({ metadata }) => metadata.name)).toEqual([]);
  });

  test("a NetworkPolicy lets others reach the metrics of the operator's pod, and no other port", () => {
    const all = parseAllDocuments(render("default")).map((document) => document.toJS());
    const of = (kind: string): any => all.filter((object) => object.kind === kind);
    const [policy, ...others] = of("NetworkPolicy");
    expect(others).toEqual([]);
    const { template } = of("Deployment")[0].spec;
    expect(template.metadata.labels).toMatchObject(policy.spec.podSelector.matchLabels);
    expect(policy.spec.policyTypes).toEqual(["Ingress"]);
    const reached = policy.spec.ingress.flatMap(({ ports }: { ports: { port: string }[] }) =>
      ports.map(({ port }) => template.spec.containers[0].ports.find(({ name }: { name: string }) => name === port)),
    );
    expect(reached).toEqual([{ name: "metrics", containerPort: 8080, protocol: "TCP" }]);
    // A rule without "from" would let everybody in.
    for (const { from } of policy.spec.ingress) expect(from.length).toBeGreaterThan(0);
  });

  describe("metrics for few", () => {
    const deployment = (options?: RenderOptions): any =>
      objects(render("default", options)).find(({ kind }) => kind === "Deployment");
    const monitor = (options?: RenderOptions): any =>
      objects(render("prometheus", options)).find(({ kind }) => kind === "ServiceMonitor");

    test("are a flag of the operator, and change nothing else of it", () => {
      const plain = deployment();
      const secure = deployment({ secureMetrics: true });
      expect(secure.spec.template.spec.containers[0].args).toEqual(["operator", "--leader-elect", "--metrics-secure"]);
      secure.spec.template.spec.containers[0].args.pop();
      expect(secure).toEqual(plain);
    });

    test("are scraped by TLS, with Prometheus' token", () => {
      expect(monitor().spec.endpoints).toEqual([{ port: "metrics", path: "/metrics" }]);
      expect(monitor({ secureMetrics: true }).spec.endpoints).toEqual([
        {
          port: "metrics",
          path: "/metrics",
          scheme: "https",
          bearerTokenFile: "/var/run/secrets/kubernetes.io/serviceaccount/token",
          tlsConfig: { insecureSkipVerify: true },
        },
      ]);
    });

    test("take rights that the operator has not without", () => {
      expect(render("default")).not.toContain("tokenreviews");
      expect(render("secure-metrics")).toContain("tokenreviews");
    });
  });

  test("the samples of an Onload resource do not contain its namespace, so that deleting them does not delete it", () => {
    for (const sample of ["onload", "in-cluster-build"]) {
      expect(objects(render(`samples/${sample}`)).map(({ kind }) => kind)).not.toContain("Namespace");
    }
    expect(objects(render("samples/namespace")).map(({ kind }) => kind)).toContain("Namespace");
  });

  test("no role of a namespace lets its admin write Onload resources", () => {
    const labels = JSON.stringify(objects(render("default")).map(({ metadata }) => metadata));
    expect(labels).toContain("aggregate-to-view");
    expect(labels).not.toMatch(/aggregate-to-(admin|edit)/);
  });

  test("sets the namespace everywhere: no trace of the former one is left", () => {
    const yaml = render("default", { namespace: "trading" });
    expect(yaml).not.toContain("onload-operator-system");
    const all = objects(yaml);
    expect(all.find(({ kind }) => kind === "Namespace")?.metadata.name).toBe("trading");
    for (const { subjects = [] } of all) for (const { namespace } of subjects) expect(namespace).toBe("trading");
  });

  test.each(["no", "on", "y", "1e3", "0x1f", "0o17", "123", "null"])(
    "namespaces that kubectl would read as something else are quoted: %s",
    (namespace) => {
      const lines = render("default", { namespace, imagePullSecret: namespace }).split("\n");
      const values = lines.flatMap((line) => /^(?:- |  )*(?:namespace|imagePullSecrets): (.+)$/.exec(line)?.[1] ?? []);
      expect(new Set(values)).toEqual(new Set([`"${namespace}"`]));
      expect(lines).toContain(`  name: "${namespace}"`);
      expect(lines).toContain(`        - name: "${namespace}"`);
    },
  );

  test("keeps comments and long rules as they are", () => {
    const lines = render("default")
      .split("\n")
      .map((line) => line.trim());
    expect(lines).toContain(
      "# The labels of the original operator, so that this Deployment replaces that of the original.",
    );
    expect(lines).toContain(
      'message: "setPreload and mountOnload are mutually exclusive: set setPreload to false to use mountOnload"',
    );
  });

  test("an unknown tree is an error that names it", () => {
    expect(() => render("nonsense")).toThrow("Cannot find nonsense/kustomization.yaml among the manifests");
  });
});
