import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { parseAllDocuments } from "yaml";
import { RequestError, serviceAccountUser, sharedControlPlane, type Cluster } from "../testcluster/index.ts";
import { builtExecutable } from "../testcluster/lib/built.ts";
import { run } from "../testcluster/lib/command.ts";
import { poll } from "../testcluster/lib/poll.ts";
import { FILES } from "./files.gen.ts";
import { render, type RenderOptions } from "./render.ts";
import { admission } from "./testing/policies.ts";

// Starting a control plane takes a while on a busy machine.
setDefaultTimeout(180_000);

let cluster: Cluster;
let folder: string;
beforeAll(async () => {
  cluster = await sharedControlPlane();
  folder = await mkdtemp(join(tmpdir(), "onloadctl-manifests-"));
}, 180_000);
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Objects by kind and name, because kustomize puts them into an order of its own. */
function byName(yaml: string): Record<string, unknown> {
  const objects = parseAllDocuments(yaml).map(
    (document) => document.toJS() as { kind: string; metadata: { name: string; namespace?: string } },
  );
  // Kustomize does not know that these have no namespace, and the API server drops it.
  for (const { kind, metadata } of objects) {
    if (kind.startsWith("ValidatingAdmissionPolicy")) delete metadata.namespace;
  }
  return Object.fromEntries(objects.map((object) => [`${object.kind}/${object.metadata.name}`, object]));
}

/** Samples of kinds that the control plane does not know by itself. */
const NEED_CRDS = ["samples/sfptpd-monitoring", "samples/sfptpd-openshift"];

const SAMPLES = Object.keys(FILES)
  .filter((path) => path.startsWith("samples/") && path.endsWith("/kustomization.yaml"))
  .map((path) => dirname(path));

describe("the trees are what kustomize makes of them", () => {
  for (const tree of ["default", "before-1.30", "crd", "openshift", "prometheus", "secure-metrics", ...SAMPLES]) {
    test(tree, async () => {
      const kustomized = await cluster.kubectl(["kustomize", join(import.meta.dir, tree)]);
      expect(byName(render(tree))).toEqual(byName(kustomized));
    });
  }

  const options: Record<string, RenderOptions> = {
    namespace: { namespace: "trading" },
    image: { image: "registry.example.com:5000/onloadctl:0.1.0" },
    both: { namespace: "trading", image: "registry.example.com:5000/onloadctl:0.1.0" },
  };
  for (const [name, { namespace, image }] of Object.entries(options)) {
    test(`with ${name} of an overlay`, async () => {
      const overlay = {
        resources: [relative(folder, join(import.meta.dir, "default"))],
        ...(namespace ? { namespace } : {}),
        ...(image ? { images: [{ name: "onloadctl", newName: image.slice(0, -6), newTag: image.slice(-5) }] } : {}),
      };
      await writeFile(join(folder, "kustomization.yaml"), JSON.stringify(overlay));
      const kustomized = await cluster.kubectl(["kustomize", folder]);
      expect(byName(render("default", { namespace, image }))).toEqual(byName(kustomized));
    });
  }
});

describe("the API server takes", () => {
  test("all of the operator, strictly, by kubectl apply -k as well as by what manifests install prints", async () => {
    const namespace = await cluster.createNamespace("m");
    // A dry run of an object needs its namespace, and a dry run of the namespace does not create that.
    const secure = { namespace, secureMetrics: true };
    const yaml = render("default", secure) + render("secure-metrics", secure);
    const printed = await cluster.kubectl(
      ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-"],
      { input: yaml },
    );
    expect(printed).toContain("deployment.apps/onload-operator-controller-manager serverside-applied");
    await writeFile(
      join(folder, "kustomization.yaml"),
      JSON.stringify({ resources: [relative(folder, join(import.meta.dir, "default"))], namespace }),
    );
    const kustomized = await cluster.kubectl(["apply", "--dry-run=server", "--validate=strict", "-k", folder]);
    expect(kustomized).toContain("clusterrole.rbac.authorization.k8s.io/onload-operator-manager-role created");
  });

  test("a Deployment that Pod Security's restricted level lets run", async () => {
    const { name } = (
      await cluster.request("POST", "/api/v1/namespaces", {
        body: {
          metadata: {
            name: `m-${crypto.randomUUID().slice(0, 8)}`,
            labels: { "pod-security.kubernetes.io/enforce": "restricted" },
          },
        },
      })
    ).metadata as { name: string };
    await cluster.request("POST", `/api/v1/namespaces/${name}/serviceaccounts`, {
      body: { metadata: { name: "onload-operator-controller-manager" } },
    });
    const deployment = byName(render("default"))["Deployment/onload-operator-controller-manager"] as {
      spec: { template: object };
    };
    const pod = { ...deployment.spec.template, apiVersion: "v1", kind: "Pod", metadata: { generateName: "p-" } };
    await cluster.request("POST", `/api/v1/namespaces/${name}/pods?dryRun=All`, { body: pod });
  });

  describe.each([
    ["as make deploy applied it", ["apply"]],
    ["as a server-side apply made it", ["apply", "--server-side"]],
  ])("the original operator's Deployment, %s, being replaced", (_how, verb) => {
    const name = "onload-operator-controller-manager";
    const labels = { "app.kubernetes.io/part-of": "onload", "control-plane": "controller-manager" };

    test.each([
      ["by what manifests install prints", ["apply", "--server-side", "--force-conflicts", "-f", "-"]],
      // Other than a server-side apply, it takes away only what it has applied itself.
      ...(verb.join(" ") === "apply" ? [["by kubectl apply", ["apply", "-f", "-"]] as [string, string[]]] : []),
    ])("%s, with none of its settings left, and its pod to end first", async (_by, apply) => {
      const namespace = await cluster.createNamespace("m");
      await cluster.kubectl([...verb, "-f", "-"], { input: JSON.stringify(originalDeployment(namespace, labels)) });
      const deployments = `/apis/apps/v1/namespaces/${namespace}/deployments`;
      const before = await cluster.request("GET", `${deployments}/${name}`);
      expect(before.spec.strategy.type).toBe("RollingUpdate");
      const ours = parseAllDocuments(render("manager", { namespace, image: "ours:1" }))
        .map((document) => document.toJS())
        .find(({ kind }) => kind === "Deployment");
      const input = JSON.stringify({ ...ours, spec: { ...ours.spec, replicas: 0 } });
      // Twice, as people do.
      for (let i = 0; i < 2; i++) await cluster.kubectl(apply, { input });
      const { items } = await cluster.request("GET", deployments);
      expect(items.map(({ metadata }: { metadata: object }) => metadata)).toMatchObject([
        { name, uid: before.metadata.uid },
      ]);
      const [{ spec }] = items;
      expect(spec.strategy).toEqual({ type: "RollingUpdate", rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } });
      expect(spec.template.spec.containers.length).toBe(1);
      expect(spec.template.spec.containers[0]).toMatchObject(ours.spec.template.spec.containers[0]);
      expect(JSON.stringify(spec)).not.toMatch(/original|"command"/);
    });
  });

  test("the samples of Onload resources, for real", async () => {
    await cluster.apply(render("crd"));
    await cluster.apply(render("samples/namespace"));
    await poll(
      async () => {
        for (const sample of SAMPLES.filter((each) => /\/(onload|in-cluster-build.*)$/.test(each))) {
          await cluster.apply(render(sample));
        }
        return true;
      },
      { what: "the samples being accepted" },
    );
    await cluster.kubectl(["delete", "namespace", "onload-runtime", "--wait=false"]);
  });

  test("what lets a ServiceAccount use OpenShift's privileged SCC, and no other", async () => {
    const namespace = await cluster.createNamespace("m");
    const mayUse = async (account: string, where = namespace): Promise<boolean> => {
      const scc = { group: "security.openshift.io", resource: "securitycontextconstraints", name: "privileged" };
      const { status } = await cluster.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", {
        body: {
          spec: {
            user: serviceAccountUser(namespace, account),
            resourceAttributes: { ...scc, verb: "use", namespace: where },
          },
        },
      });
      return status.allowed;
    };
    for (const flags of [[], ["--service-account=trader.eu"]]) {
      const command = [await builtExecutable(), "manifests", "openshift", "-n", namespace, ...flags];
      const { stdout: input } = await run(command);
      await cluster.kubectl(["apply", "--validate=strict", "-f", "-"], { input });
    }
    await poll(async () => (await mayUse("onload-operator-sa")) && (await mayUse("trader.eu")), { what: "The rights" });
    expect(await mayUse("default")).toBe(false);
    expect(await mayUse("trader.eu", "default")).toBe(false);
  });

  test("the samples of the PTP daemon, strictly", async () => {
    await cluster.kubectl(["apply", "--validate=strict", "-f", "-"], { input: render("samples/sfptpd") });
    for (const sample of SAMPLES.filter((each) => each.startsWith("samples/sfptpd-") && !NEED_CRDS.includes(each))) {
      await cluster.kubectl(["apply", "--validate=strict", "-f", "-"], { input: render(sample) });
    }
    // The DaemonSet's controller would not say that Pod Security refuses its pods.
    const template = byName(render("samples/sfptpd"))["DaemonSet/sfptpd"] as { spec: { template: { spec: object } } };
    const body = { apiVersion: "v1", kind: "Pod", metadata: { name: "p" }, spec: template.spec.template.spec };
    await cluster.request("POST", "/api/v1/namespaces/sfptpd/pods?dryRun=All", { body });
    await cluster.kubectl(["delete", "namespace", "sfptpd", "--wait=false"]);
  });

  test("the samples of pods, in a namespace with Pod Security's restricted level", async () => {
    const namespace = await cluster.createNamespace("m");
    const restricted = "pod-security.kubernetes.io/enforce=restricted";
    await cluster.kubectl(["label", "--overwrite", "namespace", namespace, restricted]);
    for (const sample of ["samples/pod", "samples/pod-x4", "samples/pod-x3", "samples/sfnettest"]) {
      const input = render(sample);
      // Pods are refused until the controllers have made the namespace's ServiceAccount.
      await poll(
        async () =>
          await cluster
            .kubectl(["apply", "-n", namespace, "--validate=strict", "-f", "-"], { input })
            .catch(retryWithout),
        { what: "the ServiceAccount default" },
      );
    }
    const { items } = await cluster.request("GET", `/api/v1/namespaces/${namespace}/pods`);
    const names = items.map(({ metadata }: { metadata: { name: string } }) => metadata.name).sort();
    expect(names).toEqual([
      "onload-app",
      "onload-app-x3",
      "onload-app-x4",
      "onload-sfnettest-client",
      "onload-sfnettest-server",
    ]);
    for (const { metadata, spec } of items) {
      const pages = metadata.name.includes("-x") ? "128Mi" : undefined;
      expect(spec.containers[0].resources.requests["hugepages-2Mi"]).toBe(pages);
    }
  });

  test("the samples of what others define: networks of Multus, and monitors of the Prometheus operator", async () => {
    const namespace = await cluster.createNamespace("m");
    const crds = [
      standInCrd("k8s.cni.cncf.io", "v1", "NetworkAttachmentDefinition", "network-attachment-definitions"),
      standInCrd("monitoring.coreos.com", "v1", "PodMonitor", "podmonitors"),
      standInCrd("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules"),
    ];
    for (const crd of crds) await cluster.apply(JSON.stringify(crd));
    for (const { metadata } of crds) {
      await cluster.kubectl(["wait", "--for=condition=Established", "--timeout=60s", `crd/${metadata.name}`]);
    }
    const networks = byName(render("samples/networks"));
    for (const [name, network] of Object.entries(networks)) {
      const { config } = (network as { spec: { config: string } }).spec;
      const { cniVersion, type, name: own } = JSON.parse(config) as Record<string, string>;
      expect({ cniVersion, name: `NetworkAttachmentDefinition/${own}` }).toEqual({ cniVersion: "0.3.1", name });
      expect(type).toMatch(/^(ipvlan|macvlan|host-device|bond|sriov)$/);
    }
    const monitoring = render("samples/sfptpd-monitoring", { namespace });
    for (const input of [render("samples/networks"), monitoring]) {
      await cluster.kubectl(["apply", "-n", namespace, "-f", "-"], { input });
    }
    const { items } = await cluster.request(
      "GET",
      `/apis/k8s.cni.cncf.io/v1/namespaces/${namespace}/network-attachment-definitions`,
    );
    expect(items).toHaveLength(5);
    for (const { metadata } of crds) await cluster.kubectl(["delete", "crd", metadata.name, "--wait=false"]);
  });

  test("every pod's network is among the networks", () => {
    const networks = Object.keys(byName(render("samples/networks"))).map((name) => name.split("/")[1]);
    for (const sample of ["samples/pod", "samples/pod-x4", "samples/pod-x3", "samples/sfnettest"]) {
      for (const object of Object.values(byName(render(sample)))) {
        const { annotations } = (object as { metadata: { annotations?: Record<string, string> } }).metadata;
        if (annotations) expect(networks).toContain(annotations["k8s.v1.cni.cncf.io/networks"]);
      }
    }
  });
});

/** Nothing yet, if a pod was refused because its ServiceAccount is not there. */
function retryWithout(error: Error): undefined {
  if (!error.message.includes("serviceaccount")) throw error;
}

/** A stand-in for a CRD of others. Any spec is taken. */
function standInCrd(group: string, version: string, kind: string, plural: string) {
  const spec = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  const schema = { openAPIV3Schema: { type: "object", properties: { spec } } };
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: "Namespaced",
      names: { kind, plural, singular: kind.toLowerCase() },
      versions: [{ name: version, served: true, storage: true, schema }],
    },
  };
}

/** The Deployment of Xilinx-CNS/kubernetes-onload, as its kustomize tree makes it, without pods. */
function originalDeployment(namespace: string, labels: Record<string, string>): object {
  const probe = (path: string, initialDelaySeconds: number): object => ({
    httpGet: { path, port: 8081 },
    initialDelaySeconds,
    periodSeconds: 20,
  });
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: {
      name: "onload-operator-controller-manager",
      namespace,
      labels: { ...labels, "app.kubernetes.io/managed-by": "kustomize" },
    },
    spec: {
      replicas: 0,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels, annotations: { "kubectl.kubernetes.io/default-container": "manager" } },
        spec: {
          securityContext: { runAsNonRoot: true },
          serviceAccountName: "onload-operator-controller-manager",
          terminationGracePeriodSeconds: 10,
          containers: [
            {
              name: "manager",
              image: "original:1",
              command: ["/manager"],
              args: ["--leader-elect"],
              env: [{ name: "DEVICE_PLUGIN_IMG", value: "original-plugin:1" }],
              livenessProbe: probe("/healthz", 15),
              readinessProbe: probe("/readyz", 5),
              securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
              resources: { limits: { cpu: "500m", memory: "128Mi" }, requests: { cpu: "10m", memory: "64Mi" } },
            },
          ],
        },
      },
    },
  };
}

test("a selector with a key that no label can have is rejected, and one that was stored before can be corrected", async () => {
  await cluster.apply(render("crd"));
  const namespace = await cluster.createNamespace("selecting");
  const onloads = `/apis/onload.amd.com/v1alpha1/namespaces/${namespace}/onloads`;
  const resource = (name: string, key: string): object => ({
    apiVersion: "onload.amd.com/v1alpha1",
    kind: "Onload",
    metadata: { name },
    spec: {
      selector: { [key]: "" },
      serviceAccountName: "sa",
      onload: { kernelMappings: [{ regexp: ".*", kernelModuleImage: "m:1" }], userImage: "u:1", version: "1" },
    },
  });
  const verdict = async (key: string): Promise<string> => {
    try {
      await cluster.request("POST", `${onloads}?dryRun=All`, { body: resource("a", key) });
      return "";
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      return error.message;
    }
  };
  await cluster.request("POST", onloads, { body: resource("before", "bad key!") });
  await cluster.apply(admission("selector"));
  await poll(async () => (await verdict("bad key!")) !== "", { what: "the policy being in force" });
  // What a label key is, the API server knows itself.
  const isLabelKey = async (key: string): Promise<boolean> => {
    const body = { metadata: { name: "probe", labels: { [key]: "" } } };
    const path = `/api/v1/namespaces/${namespace}/configmaps?dryRun=All`;
    return cluster.request("POST", path, { body }).then(
      () => true,
      () => false,
    );
  };
  const long = "a".repeat(63);
  const keys = [
    "a",
    "a/b",
    "node-role.kubernetes.io/worker",
    long,
    `${long}a`,
    `${long}/a`,
    `a/${long}a`,
    "A",
    "A/b",
  ].concat([
    "a b",
    " a",
    "a/",
    "/a",
    "a/b/c",
    "-a",
    "a-",
    "a_",
    "a.b",
    "a..b/c",
    "a.b.c/D_e",
    "é",
    "a\n",
    "a:b",
    "1",
    "a,b",
  ]);
  const verdicts = await Promise.all(keys.map(async (key) => [key, (await verdict(key)) === ""]));
  expect(verdicts).toEqual(await Promise.all(keys.map(async (key) => [key, await isLabelKey(key)])));
  expect(await verdict("bad key!")).toContain("keys of spec.selector must be label keys, such as node-role");
  const merge = (body: object): Promise<unknown> =>
    cluster.request("PATCH", `${onloads}/before`, { contentType: "merge", body });
  await merge({ metadata: { labels: { a: "b" } } });
  await merge({ spec: { selector: { "bad key!": null, good: "yes" } } });
  await cluster.request("DELETE", `${onloads}/before`);
});

test("a name that does not fit with its namespace is rejected, with the reason", async () => {
  await cluster.apply(render("crd"));
  await cluster.apply(admission("name-length"));
  const namespace = await cluster.createNamespace("namespaced");
  const body = {
    apiVersion: "onload.amd.com/v1alpha1",
    kind: "Onload",
    metadata: { name: "onload-on-a-long-name" },
    spec: {
      selector: { a: "b" },
      serviceAccountName: "sa",
      onload: { kernelMappings: [{ regexp: ".*", kernelModuleImage: "m:1" }], userImage: "u:1", version: "1" },
    },
  };
  const onloads = `/apis/onload.amd.com/v1alpha1/namespaces/${namespace}/onloads?dryRun=All`;
  // The API server takes a moment until a new policy is in force.
  const message = await poll(
    async () => {
      try {
        await cluster.request("POST", onloads, { body });
        return undefined;
      } catch (error) {
        if (!(error instanceof RequestError) || !error.message.includes("denied")) throw error;
        return error.message;
      }
    },
    { what: "the policy being in force" },
  );
  expect(message).toContain(
    `metadata.name and metadata.namespace have ${namespace.length + 21} characters together, and KMM's node labels have room for 32: choose a shorter name`,
  );
  await cluster.request("POST", onloads, { body: { ...body, metadata: { name: "fits" } } });
});

test("the CRDs that drivers hang on are deleted only by who says that it is meant, and others by anybody", async () => {
  await cluster.apply(render("crd"));
  await cluster.apply(admission("crd-deletion"));
  const crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  const crd = `${crds}/onloads.onload.amd.com`;
  const refusal = async (path: string): Promise<string> => {
    try {
      await cluster.request("DELETE", `${path}?dryRun=All`);
      return "";
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      return error.message;
    }
  };
  const message = await poll(async () => (await refusal(crd)) || undefined, { what: "the policy being in force" });
  expect(message).toContain("run `onloadctl uninstall --crd` instead");
  // All of them at once.
  expect(await refusal(crds)).toContain("run `onloadctl uninstall");
  const kmm = await refusal(`${crds}/modules.kmm.sigs.x-k8s.io`);
  expect(kmm).toContain("KMM would unload the drivers of Onload on all nodes at once");
  expect(kmm).toContain("kubectl annotate crd modules.kmm.sigs.x-k8s.io onload.amd.com/allow-deletion=true");
  expect(await refusal(`${crds}/preflightvalidations.kmm.sigs.x-k8s.io`)).toBe("");
  const annotate = (value: string | null): Promise<unknown> =>
    cluster.request("PATCH", crd, {
      contentType: "merge",
      body: { metadata: { annotations: { "onload.amd.com/allow-deletion": value } } },
    });
  await annotate("no");
  expect(await refusal(crd)).not.toBe("");
  await annotate("true");
  expect(await refusal(crd)).toBe("");
  await annotate(null);
  expect(await refusal(crd)).not.toBe("");
});
