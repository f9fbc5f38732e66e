/**
 * The CRD by the code of the oldest API server that is supported, of Kubernetes 1.25: whether it takes the CRD (its rules for
 * schemas, its CEL, and what that may cost), and whether the rules let pass and refuse there what they do elsewhere.
 */
import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { tool } from "../testcluster/tools/index.ts";
import { onloadCrd } from "./crd.ts";
import type { OnloadSpecInput } from "./onload.ts";

// The Go compiler is not among what a test is timed for.
const program = await tool("go-crd");

/** What is wrong with the CRD, and with each object, in the server's words. */
async function judged(crd: object, objects: readonly object[] = []): Promise<string[][]> {
  const child = spawn(program, { stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end([crd, ...objects].map((each) => `${JSON.stringify(each)}\n`).join(""));
  const lines = (await text(child.stdout)).trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as string[]);
}

function resource(change: (spec: OnloadSpecInput) => void = () => undefined): object {
  const kernelMappings = [{ regexp: "^5\\.", kernelModuleImage: "r/m:1-${KERNEL_FULL_VERSION}" }];
  const spec: OnloadSpecInput = {
    selector: { "node-role.kubernetes.io/worker": "" },
    serviceAccountName: "onload",
    onload: { version: "9.2.1", userImage: "r/u:1", kernelMappings },
  };
  change(spec);
  return { apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", metadata: { name: "o", namespace: "ns" }, spec };
}

test("Kubernetes 1.25 takes the CRD", async () => {
  expect(await judged(onloadCrd())).toEqual([[]]);
  const wrong = structuredClone(onloadCrd()) as ReturnType<typeof onloadCrd>;
  const schema = wrong.spec.versions[0]!.schema!.openAPIV3Schema as { properties: { spec: Record<string, unknown> } };
  schema.properties.spec["x-kubernetes-validations"] = [
    {
      rule: "self.selector.all(a, self.selector.all(b, self.selector.all(c, self.selector.all(d, a + b != c + d))))",
      message: "m",
    },
  ];
  expect((await judged(wrong))[0]!.join()).toContain("exceeds budget");
  // Kubernetes 1.29 and later have it.
  schema.properties.spec["x-kubernetes-validations"] = [{ rule: "quantity('1k').isInteger()", message: "m" }];
  expect((await judged(wrong))[0]!.join()).toContain("undeclared reference");
});

test("what only later versions know of rules is nowhere in the CRD: 1.25 would forget it without a word", () => {
  const found = new Set<string>();
  JSON.stringify(onloadCrd(), (key, value: unknown) => {
    if (key === "x-kubernetes-validations")
      (value as object[]).forEach((rule) => Object.keys(rule).forEach((each) => found.add(each)));
    return value;
  });
  expect([...found].toSorted()).toEqual(["message", "rule"]);
  const { versions } = onloadCrd().spec as { versions: object[] };
  expect(versions.some((version) => "selectableFields" in version)).toBeFalse();
});

test("its rules hold there", async () => {
  const cases: [string, (spec: OnloadSpecInput) => void, string | undefined][] = [
    ["a plain resource", () => undefined, undefined],
    [
      "everything set",
      (spec) => {
        spec.onload.kernelMappings[0]!.sfc = {};
        spec.onload.controlPlane = {
          crictlPath: "/usr/bin/crictl",
          runtimeEndpoint: "unix:///run/containerd/containerd.sock",
        };
        spec.devicePlugin = {
          maxPodsPerNode: 10,
          metricsBindAddress: "10.0.0.1:9470",
          resources: { limits: { cpu: 1 } },
        };
        spec.imagePullSecrets = [{ name: "s" }];
        spec.tolerations = [{ operator: "Exists" }];
        spec.upgrade = { maxUnavailable: "10%", onFailure: "Rollback", drain: { timeoutSeconds: 5, force: true } };
      },
      undefined,
    ],
    ["an empty selector", (spec) => (spec.selector = {}), "selector must have at least one node label"],
    ["a regexp", (spec) => (spec.onload.kernelMappings[0]!.regexp = "^4.(18"), "RE2 can parse"],
    ["an image", (spec) => (spec.onload.userImage = "r/UPPER CASE"), "userImage must be an image"],
    ["a version", (spec) => (spec.onload.version = "8.1 (el8)"), "version must be a label value"],
    ["two ways", (spec) => (spec.devicePlugin = { setPreload: true, mountOnload: true }), "mutually exclusive"],
    ["an address", (spec) => (spec.devicePlugin = { metricsBindAddress: ":9471" }), "metricsBindAddress must be"],
    ["a path", (spec) => (spec.devicePlugin = { hostOnloadPath: "/etc" }), "hostOnloadPath"],
    ["a toleration", (spec) => (spec.tolerations = [{ effect: "NoSchedule" }]), "must have the operator Exists"],
    ["a secret", (spec) => (spec.imagePullSecrets = [{}]), "must have a name"],
  ];
  const [, ...found] = await judged(
    onloadCrd(),
    cases.map(([, change]) => resource(change)),
  );
  for (const [i, [what, , words]] of cases.entries()) {
    if (words === undefined) expect({ what, problems: found[i] }).toEqual({ what, problems: [] });
    else expect(found[i]!.join("\n")).toContain(words);
  }
});

test("the largest resource is within what rules may cost there", async () => {
  const large = resource((spec) => {
    const mapping = { regexp: `^${"a?".repeat(500)}$`, kernelModuleImage: `r/${"m/".repeat(100)}m:1` };
    spec.onload.kernelMappings = Array.from({ length: 64 }, () => mapping);
    spec.selector = Object.fromEntries(
      Array.from({ length: 64 }, (_, i) => [`example.com/label-${i}`, "v".repeat(63)]),
    );
    spec.tolerations = Array.from({ length: 16 }, () => ({ key: "k".repeat(200), operator: "Exists" }) as never);
  });
  const [, problems] = await judged(onloadCrd(), [large]);
  expect(problems!.filter((problem) => /budget|cost/i.test(problem))).toEqual([]);
});
