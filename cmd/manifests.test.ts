import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { run } from "../internal/testcluster/lib/command.ts";
import { checkout } from "../internal/testcluster/lib/paths.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "onloadctl-manifests-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const call = (...args: string[]) =>
  run([process.execPath, join(checkout, "cmd/onloadctl.ts"), "manifests", ...args], {
    cwd: folder,
    // No cluster of whoever runs the tests is asked.
    env: { HOME: folder, KUBECONFIG: "", KUBERNETES_SERVICE_HOST: "" },
    allowFailure: true,
  });
const IMAGE = "--image=r/onloadctl:1";
const kinds = (yaml: string): string[] => parseAllDocuments(yaml).map((document) => document.toJS().kind);

describe("prints YAML, and nothing but YAML, on standard output", () => {
  const cases: Record<string, [string[], string]> = {
    install: [["install", "--image=r/onloadctl:1", "-n", "trading", "--kubernetes-version=1.30"], "Deployment"],
    "install with policies": [["install", IMAGE, "--kubernetes-version=v1.31.2+k3s1"], "ValidatingAdmissionPolicy"],
    "install with metrics for few": [
      ["install", IMAGE, "--secure-metrics", "--no-admission-policies"],
      "NetworkPolicy",
    ],
    crd: [["crd"], "CustomResourceDefinition"],
    "the sample": [["sample"], "Onload"],
    "a sample of its own": [["sample", "in-cluster-build"], "ConfigMap"],
    prometheus: [["prometheus"], "PrometheusRule"],
    openshift: [["openshift"], "ClusterRole"],
    "openshift for a ServiceAccount": [["openshift", "-n", "trading", "--service-account=onload"], "RoleBinding"],
  };
  for (const [name, [args, kind]] of Object.entries(cases)) {
    test(name, async () => {
      const { code, stdout, stderr } = await call(...args);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      expect(kinds(stdout)).toContain(kind);
    });
  }
});

describe("install is for the cluster", () => {
  /** An API server that says what version it is, and serves these resources of admissionregistration.k8s.io/v1. */
  async function apiServer(gitVersion: string, resources: string[] | undefined): Promise<[string, () => void]> {
    const server = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: ({ url }) => {
        const { pathname } = new URL(url);
        if (pathname === "/version") return Response.json({ major: "1", minor: "x", gitVersion });
        if (pathname !== "/apis/admissionregistration.k8s.io/v1" || !resources)
          return new Response("", { status: 404 });
        return Response.json({ kind: "APIResourceList", resources: resources.map((name) => ({ name })) });
      },
    });
    const file = join(folder, `${crypto.randomUUID()}.kubeconfig`);
    await writeFile(
      file,
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        "current-context": "c",
        contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
        clusters: [{ name: "c", cluster: { server: server.url.origin } }],
        users: [{ name: "u", user: {} }],
      }),
    );
    return [`--kubeconfig=${file}`, () => server.stop(true)];
  }
  const hasPolicies = (yaml: string): boolean => kinds(yaml).includes("ValidatingAdmissionPolicyBinding");
  const all = ["mutatingwebhookconfigurations", "validatingadmissionpolicies"];

  test.each<[string, string, string[] | undefined, boolean, string]>([
    ["one that serves policies", "v1.32.4", all, true, ""],
    ["an older one", "v1.27.16+9116a69", all.slice(0, 1), false, "(v1.27.16+9116a69) serves no admission policies"],
    ["one without the whole group", "v1.33.0", undefined, false, "(v1.33.0) serves no admission policies"],
    ["one of an odd version", "\u001b[31mfork", all, true, ""],
  ])("%s", async (_name, version, resources, policies, told) => {
    const [flag, stop] = await apiServer(version, resources);
    const { code, stdout, stderr } = await call("install", IMAGE, flag);
    stop();
    expect({ code, policies: hasPolicies(stdout) }).toEqual({ code: 0, policies });
    expect(stderr).toContain(told);
    expect(stderr === "").toBe(told === "");
  });

  test("that is too old for KMM: nothing is printed", async () => {
    const [flag, stop] = await apiServer("v1.24.9", []);
    const { code, stdout, stderr } = await call("install", IMAGE, flag);
    stop();
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toContain("Kubernetes v1.24.9 is too old: KMM and the operator need 1.25 or later");
  });

  test("that the flags name, and that does not answer: nothing is printed", async () => {
    const [flag, stop] = await apiServer("v1.30.0", all);
    stop();
    const { code, stdout, stderr } = await call("install", IMAGE, flag);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toStartWith("Cannot read the API server's version: ");
  });

  test("or the newest, if there is none: that is said", async () => {
    const { code, stdout, stderr } = await call("install", IMAGE);
    expect({ code, policies: hasPolicies(stdout) }).toEqual({ code: 0, policies: true });
    expect(stderr).toContain("for an older one give --kubernetes-version");
    expect(stderr).toContain("Cannot find a cluster");
  });

  test("or of a version that is given: what is not enforced is said", async () => {
    const { code, stdout, stderr } = await call("install", IMAGE, "--kubernetes-version=1.27");
    expect({ code, policies: hasPolicies(stdout) }).toEqual({ code: 0, policies: false });
    expect(stderr).toContain("Kubernetes 1.27 knows no admission policies, so they are left out: nothing there keeps");
  });
});

test("bundle writes its files and tells of them on standard error", async () => {
  const { code, stdout } = await call("bundle", "--output=b", "--image=r/onloadctl:1", "--bundle-version=1.2.3");
  expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
  expect((await readdir(join(folder, "b"))).sort()).toEqual(["bundle.Dockerfile", "manifests", "metadata", "tests"]);
});

test("a bundle whose image has no digest is written with a warning, and one with a digest without", async () => {
  const byTag = await call("bundle", "--output=by-tag", "--image=r:5000/onloadctl:1");
  expect({ code: byTag.code, stdout: byTag.stdout }).toEqual({ code: 0, stdout: "" });
  expect(byTag.stderr).toContain("The bundle names its image by a tag, so that it is not for a disconnected cluster");
  const byDigest = await call("bundle", "--output=by-digest", `--image=r/onloadctl:1@sha256:${"0".repeat(64)}`);
  expect(byDigest.code).toBe(0);
  expect(byDigest.stderr).not.toContain("disconnected");
});

test("helm writes a chart, with an image or without, and tells of its files on standard error", async () => {
  const { code, stdout } = await call("helm", "--output=h", "--image=r:5000/onloadctl:1", "--chart-version=1.2.3");
  expect({ code, stdout }).toEqual({ code: 0, stdout: "" });
  expect((await readdir(join(folder, "h"))).sort()).toEqual([
    "Chart.yaml",
    "templates",
    "values.schema.json",
    "values.yaml",
  ]);
  expect(await Bun.file(join(folder, "h/Chart.yaml")).text()).toContain("version: 1.2.3\n");
  const repository = async (chart: string): Promise<string> =>
    parseAllDocuments(await Bun.file(join(folder, chart, "values.yaml")).text())[0]!.toJS().image.repository;
  expect(await repository("h")).toBe("r:5000/onloadctl");
  const without = await call("helm", "--output=without");
  expect(without.code).toBe(0);
  expect(without.stderr).toContain("The chart names no image: give --image here, or set image.repository");
  expect(await repository("without")).toBe("");
});

test.each(["2026_11_30", "on"])("a tag that Helm would read as something else is quoted: %s", async (tag) => {
  await call("helm", "--output=h", `--image=r/onloadctl:${tag}`);
  expect(await Bun.file(join(folder, "h/values.yaml")).text()).toContain(`\n  tag: "${tag}"\n`);
});

describe("bad input is one line and exit code 2", () => {
  const cases: Record<string, [string[], string]> = {
    "an unknown part": [["instal"], 'Unknown command "instal": did you mean install?\n'],
    "an unknown sample": [
      ["sample", "nothing"],
      'Unknown sample "nothing": use one of namespace, onload, in-cluster-build, in-cluster-build-openshift, in-cluster-build-ubuntu, pod, pod-x4, pod-x3, profiles, networks, sfnettest, sfptpd-bond, sfptpd-link-local, sfptpd-system-clock, sfptpd-openshift, sfptpd-monitoring\n',
    ],
    "an image without a tag": [
      ["install", "--image=localhost:5000/onloadctl"],
      'Flag --image cannot be "localhost:5000/onloadctl": give an image with its tag or digest\n',
    ],
    "an image that no runtime takes": [
      ["install", "--image=registry/Onloadctl:1"],
      'Flag --image cannot be "registry/Onloadctl:1": it is not an image reference',
    ],
    "an image with what means something to YAML": [
      ["install", '--image=registry/x"y:1'],
      'Flag --image cannot be "registry/x"y:1": it is no',
    ],
    "an image with a digest that is none": [["install", "--image=r/x@sha256:12"], "Flag --image cannot be"],
    "a Secret that is none": [
      ["install", IMAGE, "--image-pull-secret=My_Login"],
      'Flag --image-pull-secret cannot be "My_Login": give the name of a Secret, such as my-registry\n',
    ],
    "a namespace that is none": [
      ["install", IMAGE, "--namespace=No_Such"],
      'Flag --namespace cannot be "No_Such": use at most',
    ],
    "a ServiceAccount of no namespace": [
      ["openshift", "--service-account=onload"],
      "Flag --service-account needs -n, the namespace of the Onload resource\n",
    ],
    "a ServiceAccount that has no such name": [
      ["openshift", "-n", "trading", "--service-account=a: b"],
      'Flag --service-account cannot be "a: b": give the name of a ServiceAccount, such as onload\n',
    ],
    "a version of OpenShift for one of Kubernetes": [
      ["install", IMAGE, "--kubernetes-version=4.14.12"],
      'Flag --kubernetes-version cannot be "4.14.12": give a version of Kubernetes such as 1.27;',
    ],
    "a Kubernetes that is too old": [
      ["install", IMAGE, "--kubernetes-version=1.24"],
      'Flag --kubernetes-version cannot be "1.24": Kubernetes 1.24 is too old: KMM and the operator need 1.25',
    ],
    "a chart's version that is none": [
      ["helm", "--output=c", "--chart-version=1"],
      'Flag --chart-version cannot be "1": give a version such as 0.1.0\n',
    ],
    "a chart's version with a leading zero": [
      ["helm", "--output=c", "--chart-version=1.2.3-01"],
      'Flag --chart-version cannot be "1.2.3-01"',
    ],
    "a chart's image without a tag": [["helm", "--output=c", "--image=r/x"], 'Flag --image cannot be "r/x": give an'],
    // The tree's own name of the image would be pulled from nowhere.
    "an install without an image": [["install"], "Flag --image is missing: give --image=IMAGE\n"],
    "a bundle without an image": [["bundle", "--output=b"], "Flag --image is missing: give --image=IMAGE\n"],
    "a bundle's version that is none": [
      ["bundle", "--output=c", "--image=r/x:1", "--bundle-version=one"],
      'Flag --bundle-version cannot be "one": give a version such as 0.1.0\n',
    ],
  };
  for (const [name, [args, message]] of Object.entries(cases)) {
    test(name, async () => {
      const { code, stdout, stderr } = await call(...args);
      expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
      expect(stderr).toStartWith(message);
      expect(stderr.trim().split("\n")).toHaveLength(1);
    });
  }
});

test("no text of the program or of README installs without naming an image", async () => {
  const files = [...new Bun.Glob("{cmd,internal,scripts}/**/*.{ts,yaml}").scanSync(checkout), "README.md"];
  const found: string[] = [];
  for (const file of files.filter((each) => !each.endsWith(".test.ts"))) {
    const text = (await Bun.file(join(checkout, file)).text()).replaceAll(/\\\n\s*/g, " ");
    const commands =
      /onloadctl manifests install[^\n|>`]*[|>]|\(onloadctl manifests install[^)\n]*\)|: onloadctl manifests install[^\n"`]*/g;
    for (const [command] of text.matchAll(commands)) {
      if (!command.includes("--image")) found.push(`${file}: ${command}`);
    }
  }
  expect(found).toEqual([]);
});

test("every example names the same registry", async () => {
  const files = [...new Bun.Glob("{cmd,internal/manifests}/**/*.{ts,yaml}").scanSync(checkout), "README.md"];
  const texts = await Promise.all(files.map((file) => Bun.file(join(checkout, file)).text()));
  const found = files.filter((file, i) => !file.endsWith(".test.ts") && /registry\.example(?!\.com)/.test(texts[i]!));
  expect(found).toEqual([]);
});
