/**
 * The Helm chart, judged by Helm: without a cluster it renders the objects that `manifests install` prints, whatever is set,
 * and refuses what cannot be set.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { run, type CommandResult } from "../internal/testcluster/lib/command.ts";
import { tool } from "../internal/testcluster/tools/index.ts";

setDefaultTimeout(120_000);

// The Go compiler is not among what a test is timed for.
const program = await tool("helm");

const IMAGE = "registry.example.com:5000/trading/onloadctl:0.1.0";
const DIGEST = `sha256:${"0".repeat(64)}`;
const LONG_DIGEST = `sha512:${"0".repeat(128)}`;
const OPS = "onload-operator-system";

interface Rendered {
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
}
type Objects = Record<string, Rendered>;

let folder: string;
let chart: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "onloadctl-helm-"));
  chart = join(folder, "onload-operator");
  await onloadctl("helm", `--output=${chart}`, `--image=${IMAGE}`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Nothing of whoever runs the tests is read: neither a cluster nor settings of Helm. */
const env = () => ({ HOME: folder, KUBECONFIG: "", KUBERNETES_SERVICE_HOST: "", HELM_NAMESPACE: "" });

const outputs = new Map<string, Promise<string>>();

/** What `onloadctl manifests` prints. The same is asked once. */
function onloadctl(...args: string[]): Promise<string> {
  const asked = args.join(" ");
  const command = [process.execPath, join(import.meta.dirname, "onloadctl.ts"), "manifests", ...args];
  const printing = outputs.get(asked) ?? run(command, { env: env() }).then(({ stdout }) => stdout);
  outputs.set(asked, printing);
  return printing;
}

function helm(...args: string[]): Promise<CommandResult> {
  return run([program, ...args], { env: env(), allowFailure: true });
}

/** What the chart renders with these flags of Helm. */
async function rendered(...flags: string[]): Promise<Objects> {
  const { code, stdout, stderr } = await helm("template", "release", chart, `--namespace=${OPS}`, ...flags);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).not.toContain("helm.sh/hook");
  return objects(stdout);
}

/** Objects by kind and name. None is there twice. */
function objects(yaml: string): Objects {
  const all = parseAllDocuments(yaml).map((document) => {
    expect(document.errors).toEqual([]);
    return document.toJS() as Rendered;
  });
  const named = Object.fromEntries(all.map((object) => [`${object.kind}/${object.metadata.name}`, object]));
  expect(Object.keys(named)).toHaveLength(all.length);
  return named;
}

/** What `manifests install` and others print, without objects of some kind. */
async function printed(commands: readonly string[][], without: RegExp = /^Namespace\//): Promise<Objects> {
  const texts: string[] = [];
  for (const command of commands) texts.push(await onloadctl(...command));
  return Object.fromEntries(Object.entries(objects(texts.join(""))).filter(([name]) => !without.test(name)));
}

test("Helm has nothing to say of the chart but that it has no icon", async () => {
  const { code, stdout } = await helm("lint", "--strict", chart);
  expect(stdout).toContain("1 chart(s) linted, 0 chart(s) failed");
  expect(stdout.match(/\[\w+\].*/g)).toEqual(["[INFO] Chart.yaml: icon is recommended"]);
  expect(code).toBe(0);
});

describe("the objects are those that onloadctl prints", () => {
  const install = ["install", `--image=${IMAGE}`];
  const newest = [...install, "--kubernetes-version=1.30"];
  const set = (...values: string[]): string[] => values.map((value) => `--set=${value}`);
  const cases: Record<string, [flags: string[], commands: string[][], without?: RegExp]> = {
    "as they are": [[], [newest]],
    "with the registry's login": [set("imagePullSecrets[0].name=mirror"), [[...newest, "--image-pull-secret=mirror"]]],
    "in another namespace": [["--namespace=trading"], [[...newest, "--namespace=trading"]]],
    "in a namespace whose name is a number": [["--namespace=0123"], [[...newest, "--namespace=0123"]]],
    "with the namespace": [set("namespace.create=true"), [newest], /^$/],
    "for Kubernetes 1.30": [["--kube-version=1.30.0-gke.1"], [newest]],
    "for Kubernetes 1.29": [["--kube-version=1.29.9"], [[...install, "--kubernetes-version=1.29"]]],
    "for an older one of a distribution": [
      ["--kube-version=1.25.4-gke.1600"],
      [[...install, "--kubernetes-version=1.25"]],
    ],
    "for a cluster that has been asked, and knows policies": [
      [
        "--kube-version=1.29.0",
        "--api-versions=v1/Namespace,admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy",
      ],
      [newest],
    ],
    "for a cluster that has been asked, and knows none": [
      ["--api-versions=v1/Namespace"],
      [[...newest, "--no-admission-policies"]],
    ],
    "without policies": [set("admissionPolicies.enabled=false"), [[...newest, "--no-admission-policies"]]],
    "with policies, whatever the cluster is": [
      [...set("admissionPolicies.enabled=true"), "--kube-version=1.27.0"],
      [newest],
    ],
    "with metrics for few": [set("metrics.secure=true"), [[...newest, "--secure-metrics"]]],
    "with monitoring": [set("prometheus.enabled=true"), [newest, ["prometheus"]]],
    "with monitoring of metrics for few": [
      set("prometheus.enabled=true", "metrics.secure=true"),
      [
        [...newest, "--secure-metrics"],
        ["prometheus", "--secure-metrics"],
      ],
    ],
    "with the role for OpenShift": [set("openshift.enabled=true"), [newest, ["openshift"]]],
    "without the CRD": [set("crds.enabled=false"), [newest], /^(Namespace|CustomResourceDefinition)\//],
    "without the NetworkPolicy": [set("networkPolicy.enabled=false"), [newest], /^(Namespace|NetworkPolicy)\//],
    "with an image by its digest": [
      set("image.repository=mirror/onloadctl", "image.tag=", `image.digest=${DIGEST}`),
      [["install", "--kubernetes-version=1.30", `--image=mirror/onloadctl@${DIGEST}`]],
    ],
    "with an image by a digest of another kind": [
      set("image.repository=mirror/onloadctl", "image.tag=", `image.digest=${LONG_DIGEST}`),
      [["install", "--kubernetes-version=1.30", `--image=mirror/onloadctl@${LONG_DIGEST}`]],
    ],
    "with an image by tag and digest": [
      set(`image.digest=${DIGEST}`),
      [["install", "--kubernetes-version=1.30", `--image=${IMAGE}@${DIGEST}`]],
    ],
  };
  test.each(Object.entries(cases))("%s", async (_, [flags, commands, without]) => {
    expect(await rendered(...flags)).toEqual(await printed(commands, without));
  });

  test.each([
    [true, "--set=global.registry=r"],
    [false, "--set=global.registry=r"],
  ])("of a chart that depends on it, if its condition onload-operator.enabled is %p", async (enabled, global) => {
    const parent = join(folder, `parent-${enabled}`);
    await mkdir(join(parent, "charts"), { recursive: true });
    await cp(chart, join(parent, "charts", "onload-operator"), { recursive: true });
    const { version } = parse(await readFile(join(chart, "Chart.yaml"), "utf8")) as { version: string };
    const dependency = { name: "onload-operator", version, condition: "onload-operator.enabled" };
    const about = { apiVersion: "v2", name: "parent", version: "1.0.0", dependencies: [dependency] };
    await writeFile(join(parent, "Chart.yaml"), JSON.stringify(about));
    const set = `--set=onload-operator.enabled=${enabled}`;
    const { stdout, stderr } = await helm("template", "release", parent, `--namespace=${OPS}`, set, global);
    expect(stderr).toBe("");
    expect(objects(stdout)).toEqual(enabled ? await printed([newest]) : {});
  });

  test("but for labels by which a Prometheus takes monitors and rules", async () => {
    const wanted = await printed([newest, ["prometheus"]]);
    const taken = Object.values(wanted).filter(({ kind }) => /^(ServiceMonitor|PodMonitor|PrometheusRule)$/.test(kind));
    expect(taken).toHaveLength(3);
    for (const { metadata } of taken) metadata.labels = { ...metadata.labels, release: "kps" };
    expect(await rendered(...set("prometheus.enabled=true", "prometheus.labels.release=kps"))).toEqual(wanted);
  });

  test("and the CRD, which an upgrade brings up to date, is kept when the release is removed", async () => {
    const kept = Object.values(await rendered("--set=prometheus.enabled=true")).filter((object) =>
      JSON.stringify(object).includes('"helm.sh/resource-policy":"keep"'),
    );
    expect(kept.map(({ kind }) => kind)).toEqual(["CustomResourceDefinition"]);
  });
});

describe("every other value changes the operator's pod, and nothing else", () => {
  // oxlint-disable-next-line typescript/no-explicit-any -- YAML
  type Deployment = any;
  const values: Record<string, [json: unknown, change: (deployment: Deployment, pod: Deployment) => void]> = {
    replicas: [0, (deployment) => (deployment.spec.replicas = 0)],
    "image.pullPolicy": ["Always", (_, { containers }) => (containers[0].imagePullPolicy = "Always")],
    imagePullSecrets: [[{ name: "login" }], (_, pod) => (pod.imagePullSecrets = [{ name: "login" }])],
    extraArgs: [
      ["--log-level=debug", "--watch-namespaces=a,b"],
      (_, { containers }) => containers[0].args.push("--log-level=debug", "--watch-namespaces=a,b"),
    ],
    extraEnv: [
      [{ name: "DEVICE_PLUGIN_IMG", value: "r/x:1" }],
      (_, { containers }) => containers[0].env.push({ name: "DEVICE_PLUGIN_IMG", value: "r/x:1" }),
    ],
    podLabels: [{ team: "yes" }, ({ spec }) => (spec.template.metadata.labels.team = "yes")],
    podAnnotations: [
      { note: "{{ a: 'b' }}" },
      ({ spec }) => (spec.template.metadata.annotations.note = "{{ a: 'b' }}"),
    ],
    resources: [{ limits: { memory: "1Gi" } }, (_, { containers }) => (containers[0].resources.limits.memory = "1Gi")],
    nodeSelector: [{ infra: "" }, (_, { nodeSelector }) => (nodeSelector.infra = "")],
    tolerations: [[{ operator: "Exists" }], (_, pod) => (pod.tolerations = [{ operator: "Exists" }])],
    affinity: [{ podAntiAffinity: {} }, (_, pod) => (pod.affinity = { podAntiAffinity: {} })],
    topologySpreadConstraints: [[{ maxSkew: 1 }], (_, pod) => (pod.topologySpreadConstraints = [{ maxSkew: 1 }])],
    priorityClassName: ["", (_, pod) => delete pod.priorityClassName],
  };
  test.each(Object.entries(values))("%s", async (name, [value, change]) => {
    const wanted = await printed([["install", `--image=${IMAGE}`, "--kubernetes-version=1.30"]]);
    const deployment = wanted["Deployment/onload-operator-controller-manager"] as Deployment;
    change(deployment, deployment.spec.template.spec);
    expect(await rendered(`--set-json=${name}=${JSON.stringify(value)}`)).toEqual(wanted);
  });

  test("none is left out", async () => {
    const all = parse(await readFile(join(chart, "values.yaml"), "utf8")) as Record<string, Record<string, unknown>>;
    const objectsOnly = [
      "crds",
      "admissionPolicies",
      "networkPolicy",
      "metrics",
      "prometheus",
      "openshift",
      "namespace",
    ];
    const names = Object.keys(all).flatMap((name) => (name === "image" ? "image.pullPolicy" : name));
    expect(names.filter((name) => !objectsOnly.includes(name)).toSorted()).toEqual(Object.keys(values).toSorted());
  });
});

describe("is refused", () => {
  test.each<[string, string, string]>([
    ["an unknown value", "replica=2", "additional properties 'replica' not allowed"],
    ["an unknown value of a group", "image.name=x", "additional properties 'name' not allowed"],
    ["a text for a number", "replicas=two", "got string, want integer"],
    ["a number below zero", "replicas=-1", "minimum: got -1, want 0"],
    ["a text for a switch", "crds.enabled=yes", "got string, want boolean"],
    ["another word than auto", "admissionPolicies.enabled=never", "value must be one of 'auto', true, false"],
    ["a text for a list", "tolerations=x", "got string, want array"],
    ["a secret without its name", "imagePullSecrets[0].secret=x", "missing property 'name'"],
    ["an environment variable without a name", "extraEnv[0].value=x", "missing property 'name'"],
    ["a label by which the operator is found", "podLabels.control-plane=x", "control-plane"],
    ["a label that monitors have already", "prometheus.labels.control-plane=x", "control-plane"],
    ["a digest that is none", "image.digest=0.1.0", "does not match pattern"],
    ["a pull policy that is none", "image.pullPolicy=Sometimes", "value must be one of"],
  ])("%s", async (_, value, message) => {
    const { code, stdout, stderr } = await helm("template", "release", chart, `--set=${value}`);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("values don't meet the specifications of the schema");
    expect(stderr).toContain(message);
  });

  test("a chart without an image, if none is given", async () => {
    const bare = join(folder, "bare", "onload-operator");
    await onloadctl("helm", `--output=${bare}`, "--chart-version=1.2.3");
    expect((await helm("lint", "--strict", bare)).code).toBe(0);
    const { code, stderr } = await helm("template", "release", bare);
    expect({ code, told: stderr.includes("image.repository is empty: give onloadctl's image, such as --set") }).toEqual(
      {
        code: 1,
        told: true,
      },
    );
    const given = await helm("template", "release", bare, "--set=image.repository=r/onloadctl");
    const { version } = parse(await readFile(join(import.meta.dirname, "../package.json"), "utf8"));
    expect(given.stdout).toContain(`image: "r/onloadctl:${version}"\n`);
  });

  test("a cluster that is too old", async () => {
    const { code, stderr } = await helm("template", "release", chart, "--kube-version=1.24.9");
    expect(code).toBe(1);
    expect(stderr).toContain("chart requires kubeVersion: >=1.25.0-0 which is incompatible with Kubernetes v1.24.9");
  });
});
