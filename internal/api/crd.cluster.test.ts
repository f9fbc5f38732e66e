import { beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { RequestError, sharedControlPlane, type Cluster } from "../testcluster/index.ts";
import { poll } from "../testcluster/lib/poll.ts";
import type { CustomResourceDefinition, KubeObject } from "./core.ts";
import { onloadCrd } from "./crd.ts";
import { kmmCapabilities } from "./kmm.ts";
import { withDefaults, type OnloadSpecInput } from "./onload.ts";
import {
  BAD_HOST_ONLOAD_PATHS,
  BAD_KUBELET_DIRS,
  BAD_POD_RESOURCES_DIRS,
  GOOD_HOST_ONLOAD_PATHS,
  GOOD_KUBELET_DIRS,
  GOOD_POD_RESOURCES_DIRS,
} from "./testing/host-paths.ts";

// Starting a control plane takes a while on a busy machine.
setDefaultTimeout(180_000);

let cluster: Cluster;
let namespace: string;

beforeAll(async () => {
  cluster = await sharedControlPlane();
  await cluster.apply(JSON.stringify(onloadCrd()));
  const established = async (): Promise<boolean> => {
    const crd = await cluster.request<CustomResourceDefinition>(
      "GET",
      "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/onloads.onload.amd.com",
    );
    return crd.status?.conditions?.some(({ type, status }) => type === "Established" && status === "True") ?? false;
  };
  await poll(established, { what: "the CRD being established" });
  namespace = await cluster.createNamespace("o");
}, 180_000);

/** A spec with nothing but what it must have. */
function minimal(): OnloadSpecInput {
  return {
    selector: { "node-role.kubernetes.io/worker": "" },
    serviceAccountName: "onload-operator-sa",
    onload: {
      kernelMappings: [{ regexp: "^.*\\.x86_64$", kernelModuleImage: "registry/onload-module:8.1" }],
      userImage: "registry/onload-user:8.1",
      version: "8.1.2.26",
    },
  };
}

interface Stored extends KubeObject {
  spec: OnloadSpecInput;
}

/** Creates an Onload resource, strictly: an unknown field is an error, not something to drop. */
async function create(spec: unknown, name = `o-${crypto.randomUUID().slice(0, 8)}`): Promise<Stored> {
  return await cluster.request<Stored>(
    "POST",
    `/apis/onload.amd.com/v1alpha1/namespaces/${namespace}/onloads?fieldValidation=Strict`,
    { body: { apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", metadata: { name }, spec } },
  );
}

async function rejection(spec: unknown, name?: string): Promise<string> {
  try {
    await create(spec, name);
  } catch (error) {
    if (error instanceof RequestError) return error.message;
    throw error;
  }
  throw new Error("the API server accepted it");
}

describe("admission rejects what can never work, naming the field and the remedy", () => {
  const mapping = { regexp: ".*", kernelModuleImage: "r/m:1" };
  const cases: Record<string, [(spec: OnloadSpecInput) => void, string]> = {
    "empty selector": [
      (spec) => (spec.selector = {}),
      "spec.selector: Invalid value: selector must have at least one node label, such as node-role.kubernetes.io/worker: ''",
    ],
    "no kernel mapping": [
      (spec) => (spec.onload.kernelMappings = []),
      "spec.onload.kernelMappings: Invalid value: kernelMappings must have at least one entry: a regexp of kernel versions and a kernelModuleImage",
    ],
    "unparsable regexp": [
      (spec) => (spec.onload.kernelMappings = [mapping, { ...mapping, regexp: "^4.(18" }]),
      'spec.onload.kernelMappings[1].regexp: Invalid value: "string": error parsing regexp: missing closing ): `^4.(18` evaluating rule: regexp must be a regular expression that RE2 can parse: check brackets and escapes',
    ],
    "a regexp that RE2 does not know": [
      (spec) => (spec.onload.kernelMappings = [{ ...mapping, regexp: "(?!el8)" }]),
      "regexp must be a regular expression that RE2 can parse: check brackets and escapes",
    ],
    "a regexp that is too long": [
      (spec) => (spec.onload.kernelMappings = [{ ...mapping, regexp: "a".repeat(1025) }]),
      "spec.onload.kernelMappings[0].regexp: Too long: may not be more than 1024",
    ],
    "empty regexp": [
      (spec) => (spec.onload.kernelMappings = [{ ...mapping, regexp: "" }]),
      "regexp must not be empty: use '.*' for every kernel",
    ],
    "empty module image": [
      (spec) => (spec.onload.kernelMappings = [{ ...mapping, kernelModuleImage: "" }]),
      "kernelModuleImage must name the image that has the kernel modules, with its tag or digest",
    ],
    "empty user image": [
      (spec) => (spec.onload.userImage = ""),
      'spec.onload.userImage: Invalid value: "": userImage must name the onload-user image of this Onload version',
    ],
    "a build without its Dockerfile": [
      (spec) => (spec.onload.kernelMappings = [{ ...mapping, build: { dockerfileConfigMap: {} } }]),
      "dockerfileConfigMap.name must name the ConfigMap whose key `dockerfile` holds the Dockerfile",
    ],
    "a version that is no label value": [
      (spec) => (spec.onload.version = "8.1 (el8)"),
      "spec.onload.version: Invalid value: \"8.1 (el8)\": version must be a label value: at most 63 letters, digits, '-', '_' and '.', with a letter or digit at each end",
    ],
    "metrics of a host name": [
      (spec) => (spec.devicePlugin = { metricsBindAddress: "localhost:9470" }),
      "metricsBindAddress must be an IP address and a port, such as 10.0.0.1:9470",
    ],
    ...Object.fromEntries(
      ["9470", ":0", ":65536", ":99999", "10.0.0.1:", "fd00::1:9470", "$(POD_NAME):9470", ":9471", "10.0.0.1:9471"].map(
        (metricsBindAddress): [string, [(spec: OnloadSpecInput) => void, string]] => [
          `metrics at ${metricsBindAddress}`,
          [
            (spec) => (spec.devicePlugin = { metricsBindAddress }),
            "metricsBindAddress must be an IP address and a port",
          ],
        ],
      ),
    ),
    "a selector's value that no label has": [
      (spec) => (spec.selector = { a: "b c" }),
      'spec.selector[a]: Invalid value: "b c": values of selector must be label values',
    ],
    "a selector's key that is too long": [
      (spec) => (spec.selector = { ["a".repeat(318)]: "" }),
      "keys of selector must be label keys, such as node-role.kubernetes.io/worker",
    ],
    "a user image in upper case": [
      (spec) => (spec.onload.userImage = "registry.example.com/UPPER CASE"),
      "userImage must be an image such as registry.example.com/onload:1.0, in lower case but for its tag, without blanks",
    ],
    "a module image with a blank": [
      (spec) => (spec.onload.kernelMappings = [{ ...mapping, kernelModuleImage: "r/m:1 " }]),
      'spec.onload.kernelMappings[0].kernelModuleImage: Invalid value: "r/m:1 ": kernelModuleImage must be an image',
    ],
    "a device plugin image with a scheme": [
      (spec) => (spec.devicePlugin = { devicePluginImage: "https://r/d:1" }),
      "devicePluginImage must be an image",
    ],
    "more nodes than a 32-bit integer counts": [
      (spec) => (spec.upgrade = { maxUnavailable: 2147483648 }),
      "spec.upgrade.maxUnavailable",
    ],
    "a toleration without key and operator": [
      (spec) => (spec.tolerations = [{ effect: "NoSchedule" }]),
      "a toleration without a key must have the operator Exists",
    ],
    "a resource that the device plugin does not use": [
      (spec) => (spec.devicePlugin = { resources: { limits: { "amd.com/onload": 1 } } }),
      "resources of the device plugin are cpu, memory and ephemeral-storage",
    ],
    "a pull secret without a name": [
      (spec) => (spec.imagePullSecrets = [{}]),
      "each of imagePullSecrets must have a name",
    ],
    "an empty version": [(spec) => (spec.onload.version = ""), "version must be a label value"],
    "a version of 64 characters": [(spec) => (spec.onload.version = "1".repeat(64)), "at most 63 letters"],
    "a crictl without a folder": [
      (spec) => (spec.onload.controlPlane = { crictlPath: "crictl" }),
      'spec.onload.controlPlane.crictlPath: Invalid value: "crictl": crictlPath must be an absolute path on the nodes, such as /usr/local/bin/crictl',
    ],
    "a crictl with arguments": [
      (spec) => (spec.onload.controlPlane = { crictlPath: "/usr/local/bin/k3s crictl" }),
      "crictlPath must be an absolute path on the nodes, such as /usr/local/bin/crictl, without spaces",
    ],
    "a crictl with a line break": [
      (spec) => (spec.onload.controlPlane = { crictlPath: "/usr/bin/crictl\n" }),
      "crictlPath must be an absolute path on the nodes",
    ],
    "a runtime over the network": [
      (spec) => (spec.onload.controlPlane = { runtimeEndpoint: "tcp://10.0.0.1:2375" }),
      "runtimeEndpoint must be a socket on the nodes, such as unix:///run/k3s/containerd/containerd.sock",
    ],
    "a runtime's path alone": [
      (spec) => (spec.onload.controlPlane = { runtimeEndpoint: "/run/crio/crio.sock" }),
      "runtimeEndpoint must be a socket on the nodes",
    ],
    "a runtime with a further argument": [
      (spec) => (spec.onload.controlPlane = { runtimeEndpoint: "unix:///x.sock exec" }),
      "runtimeEndpoint must be a socket on the nodes",
    ],
    "a version that ends with a dot": [(spec) => (spec.onload.version = "8."), "with a letter or digit at each end"],
    "setPreload with mountOnload": [
      (spec) => (spec.devicePlugin = { setPreload: true, mountOnload: true }),
      "setPreload and mountOnload are mutually exclusive: set setPreload to false to use mountOnload",
    ],
    "mountOnload with setPreload's default": [
      (spec) => (spec.devicePlugin = { mountOnload: true }),
      "setPreload and mountOnload are mutually exclusive",
    ],
    "a relative host path": [
      (spec) => (spec.devicePlugin = { hostOnloadPath: "opt/onload" }),
      'spec.devicePlugin.hostOnloadPath: Invalid value: "opt/onload": hostOnloadPath must be an absolute path on the node, such as /opt/onload',
    ],
    "the host's root": [
      (spec) => (spec.devicePlugin = { hostOnloadPath: "/" }),
      "hostOnloadPath must be an absolute path",
    ],
    "a host path with ..": [
      (spec) => (spec.devicePlugin = { hostOnloadPath: "/opt/../etc" }),
      "hostOnloadPath must be an absolute path",
    ],
    "a relative base path": [
      (spec) => (spec.devicePlugin = { baseMountPath: "onload" }),
      "baseMountPath must be an absolute path in the container, such as /opt/onload",
    ],
    "no pods": [
      (spec) => (spec.devicePlugin = { maxPodsPerNode: 0 }),
      "spec.devicePlugin.maxPodsPerNode: Invalid value: 0: maxPodsPerNode must be from 1 to 2000",
    ],
    "more pods than a message to the kubelet may hold": [
      (spec) => (spec.devicePlugin = { maxPodsPerNode: 2001 }),
      "maxPodsPerNode must be from 1 to 2000",
    ],
    "pull policy of Onload": [
      (spec) => (spec.onload.imagePullPolicy = "always"),
      'spec.onload.imagePullPolicy: Invalid value: "always": imagePullPolicy must be Always, IfNotPresent or Never',
    ],
    "pull policy of the device plugin": [
      (spec) => (spec.devicePlugin = { imagePullPolicy: "Sometimes" }),
      "spec.devicePlugin.imagePullPolicy",
    ],
    "maxUnavailable 0": [
      (spec) => (spec.upgrade = { maxUnavailable: 0 }),
      "spec.upgrade.maxUnavailable: Invalid value: 0: maxUnavailable must be at least 1, or from 1% to 100%: to stop an upgrade, set spec.upgrade.paused to true",
    ],
    "maxUnavailable 0%": [(spec) => (spec.upgrade = { maxUnavailable: "0%" }), "from 1% to 100%"],
    "maxUnavailable 101%": [(spec) => (spec.upgrade = { maxUnavailable: "101%" }), "from 1% to 100%"],
    "maxUnavailable as text": [(spec) => (spec.upgrade = { maxUnavailable: "3" }), "from 1% to 100%"],
    "stepTimeoutSeconds 0": [
      (spec) => (spec.upgrade = { stepTimeoutSeconds: 0 }),
      "spec.upgrade.stepTimeoutSeconds: Invalid value: 0: spec.upgrade.stepTimeoutSeconds in body should be greater than or equal to 1",
    ],
    "negative drain timeout": [
      (spec) => (spec.upgrade = { drain: { timeoutSeconds: -1 } }),
      "spec.upgrade.drain.timeoutSeconds",
    ],
    "unknown onFailure": [
      (spec) => (spec.upgrade = { onFailure: "Ignore" as "Halt" }),
      'spec.upgrade.onFailure: Unsupported value: "Ignore": supported values: "Halt", "Rollback"',
    ],
    "a quantity that is none": [
      (spec) => (spec.devicePlugin = { resources: { limits: { memory: "much" } } }),
      "spec.devicePlugin.resources.limits.memory",
    ],
    "an unknown field": [
      (spec) => (spec.devicePlugin = { preload: true } as OnloadSpecInput["devicePlugin"]),
      'unknown field "spec.devicePlugin.preload"',
    ],
    "no serviceAccountName": [
      (spec) => delete (spec as Partial<OnloadSpecInput>).serviceAccountName,
      "spec.serviceAccountName: Required value",
    ],
  };
  for (const [name, [change, message]] of Object.entries(cases)) {
    test(name, async () => {
      const spec = minimal();
      change(spec);
      expect(await rejection(spec)).toContain(message);
    });
  }

  for (const [path, message] of Object.entries(BAD_HOST_ONLOAD_PATHS)) {
    test(`hostOnloadPath ${JSON.stringify(path)}`, async () => {
      const spec = minimal();
      spec.devicePlugin = { hostOnloadPath: path };
      const said = await rejection(spec);
      expect(said).toContain("spec.devicePlugin.hostOnloadPath");
      expect(said).toContain(message);
    });
  }

  for (const path of BAD_KUBELET_DIRS) {
    test(`kubeletDir ${JSON.stringify(path)}`, async () => {
      const spec = minimal();
      spec.devicePlugin = { kubeletDir: path };
      expect(await rejection(spec)).toContain("kubeletDir must be the absolute path of the folder of kubelet.sock");
    });
  }

  for (const path of BAD_POD_RESOURCES_DIRS) {
    test(`podResourcesDir ${JSON.stringify(path)}`, async () => {
      const spec = minimal();
      spec.devicePlugin = { podResourcesDir: path };
      expect(await rejection(spec)).toContain("podResourcesDir must be the absolute path of a folder on the node");
    });
  }

  for (const field of ["baseMountPath", "binMountPath", "libMountPath", "libMounthPath"] as const) {
    for (const path of ["/usr/li\nb", "/usr/lib:/tmp"]) {
      test(`${field} ${JSON.stringify(path)}`, async () => {
        const spec = minimal();
        spec.devicePlugin = { [field]: path };
        expect(await rejection(spec)).toMatch(
          new RegExp(`spec\\.devicePlugin\\.${field}: .* must .*control characters`),
        );
      });
    }
  }

  test("a name with a dot", async () => {
    expect(await rejection(minimal(), "onload.v9")).toContain(
      "metadata.name must have no dots, because it becomes part of KMM's node labels: use lower-case letters, digits and '-'",
    );
  });

  test("a name of 32 characters", async () => {
    expect(await rejection(minimal(), "o".repeat(32))).toContain(
      "metadata.name must have at most 31 characters, and with the namespace 32, because KMM's node labels have no more room: choose a shorter name",
    );
  });
});

describe("admission accepts", () => {
  const mapping = { regexp: ".*", kernelModuleImage: "r/m:1" };
  const cases: Record<string, (spec: OnloadSpecInput) => void> = {
    "nothing but what must be": () => undefined,
    "a version of 63 characters": (spec) => (spec.onload.version = `a${"_".repeat(61)}Z`),
    "mountOnload without setPreload": (spec) => (spec.devicePlugin = { mountOnload: true, setPreload: false }),
    percentages: (spec) => (spec.upgrade = { maxUnavailable: "100%", onFailure: "Rollback" }),
    "an empty pull policy, as before": (spec) => (spec.onload.imagePullPolicy = ""),
    ...Object.fromEntries(
      GOOD_HOST_ONLOAD_PATHS.map((path) => [
        `hostOnloadPath ${path}`,
        (spec) => (spec.devicePlugin = { hostOnloadPath: path }),
      ]),
    ),
    ...Object.fromEntries(
      GOOD_KUBELET_DIRS.map((path) => [`kubeletDir ${path}`, (spec) => (spec.devicePlugin = { kubeletDir: path })]),
    ),
    ...Object.fromEntries(
      GOOD_POD_RESOURCES_DIRS.map((path) => [
        `podResourcesDir ${path}`,
        (spec) => (spec.devicePlugin = { podResourcesDir: path }),
      ]),
    ),
    "an empty base path, as before": (spec) => (spec.devicePlugin = { baseMountPath: "" }),
    "no ServiceAccount of its own, as before": (spec) => (spec.serviceAccountName = ""),
    "host paths with a slash at the end": (spec) => (spec.devicePlugin = { hostOnloadPath: "/var/lib/onload/" }),
    ...Object.fromEntries(
      ["0", ":1", ":65535", ":9472", "10.0.0.1:9470", "[fd00::1]:9470"].map((metricsBindAddress) => [
        `metrics at ${metricsBindAddress}`,
        (spec: OnloadSpecInput) => (spec.devicePlugin = { metricsBindAddress }),
      ]),
    ),
    "as many mappings as fit": (spec) => (spec.onload.kernelMappings = Array.from({ length: 128 }, () => mapping)),
    "all that is new": (spec) => {
      spec.imagePullSecrets = [{ name: "pull" }];
      spec.tolerations = [{ key: "a", operator: "Equal", value: "b", effect: "NoExecute", tolerationSeconds: 3 }];
      spec.devicePlugin = { resources: { requests: { cpu: "10m", memory: "64Mi" }, limits: { cpu: 1 } } };
      spec.upgrade = {
        maxUnavailable: 3,
        paused: true,
        drain: { timeoutSeconds: 0, gracePeriodSeconds: 0, force: true },
        stepTimeoutSeconds: 60,
      };
    },
  };
  for (const [name, change] of Object.entries(cases)) {
    test(name, async () => {
      const spec = minimal();
      change(spec);
      const stored = await create(spec);
      // Every given value is kept, and the API server's defaults are ours.
      expect(stored.spec as unknown).toMatchObject(spec as object);
      const defaulted = withDefaults({ ...stored, spec }).spec;
      expect<object>({ libMountPath: "/usr/lib64", ...stored.spec.devicePlugin }).toEqual(defaulted.devicePlugin);
      expect(stored.spec.upgrade).toEqual(defaulted.upgrade);
    });
  }
});

describe("resources made for the original operator", () => {
  const worker = { selector: { "node-role.kubernetes.io/worker": "" }, serviceAccountName: "onload-operator-sa" };
  const local = "image-registry.openshift-image-registry.svc:5000/onload-clusterlocal";
  const cases: Record<string, object> = {
    "built in the cluster": {
      ...worker,
      onload: {
        version: "8.1.2.26",
        kernelMappings: [
          {
            regexp: "^.*\\.x86_64$",
            kernelModuleImage: `${local}/onload-module:8.1.2.26-\${KERNEL_FULL_VERSION}`,
            build: {
              buildArgs: [
                { name: "ONLOAD_BUILD_PARAMS", value: "" },
                { name: "ONLOAD_SOURCE", value: "docker.io/onload/onload-source:8.1.2.26" },
              ],
              dockerfileConfigMap: { name: "onload-module-dockerfile" },
            },
            sfc: {},
          },
        ],
        userImage: "docker.io/onload/onload-user:8.1.2.26-ubi8",
        imagePullPolicy: "IfNotPresent",
      },
      devicePlugin: { imagePullPolicy: "IfNotPresent" },
    },
    "built before, one kernel": {
      ...worker,
      onload: {
        version: "8.1.2.26",
        kernelMappings: [
          {
            regexp: "4.18.0-372.49.1.el8_6.x86_64",
            kernelModuleImage: `${local}/onload-module:8.1.2.26-4.18.0-372.49.1.el8_6.x86_64`,
          },
        ],
        userImage: "docker.io/onload/onload-user:8.1.2.26-ubi8",
        imagePullPolicy: "Always",
      },
      devicePlugin: { imagePullPolicy: "Always", devicePluginImage: `${local}/deviceplugin:latest` },
    },
    "every field, with the former spelling": {
      ...worker,
      onload: {
        version: "8.1.0",
        kernelMappings: [{ regexp: ".*", kernelModuleImage: "m:1", sfc: {} }],
        userImage: "u:1",
        controlPlane: { parameters: ["-K"] },
      },
      devicePlugin: {
        devicePluginImage: "d:1",
        maxPodsPerNode: 100,
        setPreload: false,
        mountOnload: true,
        hostOnloadPath: "/opt/onload",
        baseMountPath: "/opt/onload",
        binMountPath: "/usr/bin",
        libMounthPath: "/usr/lib",
      },
    },
  };
  for (const [name, spec] of Object.entries(cases)) {
    test(`are accepted unchanged: ${name}`, async () => {
      expect((await create(spec)).spec as unknown).toMatchObject(spec);
    });
  }
});

describe("kubectl", () => {
  test("explain reads well", async () => {
    const spec = await cluster.kubectl(["explain", "onload.spec"]);
    expect(spec).toContain("What Onload the nodes get.");
    expect(spec).toMatch(/selector\s+<map\[string\]string> -required-\n\s+Labels of the nodes that get Onload/);
    const upgrade = await cluster.kubectl(["explain", "onload.spec.upgrade.onFailure"]);
    expect(upgrade).toContain("ENUM:\n    Halt\n    Rollback");
    expect(upgrade).toContain("all nodes go");
  });

  test("every field of spec and status is described", async () => {
    const undescribed: string[] = [];
    const walk = (
      schema: { properties?: Record<string, any>; items?: any; description?: string },
      path: string,
    ): void => {
      for (const [name, field] of Object.entries(schema.properties ?? {})) {
        if (!field.description) undescribed.push(`${path}.${name}`);
        walk(field.items ?? field, `${path}.${name}`);
      }
    };
    const root = onloadCrd().spec.versions[0]!.schema!.openAPIV3Schema!;
    walk(root.properties!["spec"]!, "spec");
    walk(root.properties!["status"]!, "status");
    expect(undescribed).toEqual([]);
  });

  test("get shows version, nodes, what is going on, and since when", async () => {
    const stored = await create(minimal());
    const { name } = stored.metadata;
    await cluster.request("PATCH", `/apis/onload.amd.com/v1alpha1/namespaces/${namespace}/onloads/${name}/status`, {
      contentType: "merge",
      body: {
        status: {
          nodes: { desired: 3, updated: 2, ready: 2, upgrading: 1, failed: 0 },
          headline: { reason: "Upgrading", message: "2 of 3 nodes are done" },
        },
      },
    });
    const table = await cluster.kubectl(["get", "onl", name, "-n", namespace, "-o", "wide"]);
    const [head, row] = table.trim().split("\n");
    expect(head!.split(/\s{2,}/)).toEqual([
      "NAME",
      "VERSION",
      "DESIRED",
      "READY",
      "STATUS",
      "UPGRADING",
      "FAILED",
      "MESSAGE",
      "AGE",
    ]);
    expect(row).toContain(
      `${name}   8.1.2.26   3         2       Upgrading   1           0        2 of 3 nodes are done`,
    );
    expect(await cluster.kubectl(["get", "onload", name, "-n", namespace])).toContain("VERSION");
    expect(await cluster.kubectl(["get", "onload", "-n", namespace])).toContain(name);
  });

  test("status keeps what a rollback needs, whatever fields it has", async () => {
    const { name } = (await create(minimal())).metadata;
    const status = {
      lastReady: {
        version: "8.0",
        time: "2026-01-02T03:04:05Z",
        onload: { ...minimal().onload, version: "8.0", ofALaterRelease: { a: [1, { b: "c" }] } },
      },
      problems: [{ node: "n", step: "LoadModule", reason: "ModuleLoadFailed", message: "m" }],
    };
    const stored = await cluster.request(
      "PATCH",
      `/apis/onload.amd.com/v1alpha1/namespaces/${namespace}/onloads/${name}/status`,
      { contentType: "merge", body: { status } },
    );
    expect(stored.status).toMatchObject(status);
  });
});

test("what KMM 1.1 can do, from its own CRDs", async () => {
  const { items } = await cluster.request<{ items: CustomResourceDefinition[] }>(
    "GET",
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
  );
  expect(kmmCapabilities(items)).toEqual({
    tolerations: false,
    pluralInTree: false,
    nodeModulesConfig: false,
    moduleImagesConfig: false,
  });
});
