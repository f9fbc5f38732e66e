import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Args, Subcommand } from "../internal/cli/command.ts";
import { parseArguments } from "../internal/cli/parse-arguments.ts";
import { withDefaults } from "../internal/api/onload.ts";
import { copyExecutable } from "../internal/deviceplugin/copy-executable.ts";
import { fileOps } from "../internal/deviceplugin/file-ops.ts";
import { desiredDaemonSet } from "../internal/operator/desired/daemonset.ts";
import controlPlane from "./control-plane.ts";
import devicePlugin from "./device-plugin.ts";

// The operator renders command lines, mounts, ports and variables that other subcommands read. Both take the names from
// the same constants; these tests take none of them, but read the DaemonSet as a kubelet would, and its command lines
// by the commands' own parser.

interface Container {
  name: string;
  command?: string[];
  args: string[];
  env?: { name: string; value?: string; valueFrom?: object }[];
  ports?: { name: string; containerPort: number }[];
  livenessProbe?: { httpGet: { path: string; host: string; port: number } };
  readinessProbe?: { httpGet: { path: string; host: string; port: number } };
  volumeMounts: { name: string; mountPath: string; readOnly?: boolean }[];
}
interface PodSpec {
  initContainers: Container[];
  containers: Container[];
  volumes: { name: string; hostPath?: { path: string } }[];
}

const onload = withDefaults({
  apiVersion: "onload.amd.com/v1alpha1",
  kind: "Onload",
  metadata: { namespace: "onload-runtime", name: "onload", uid: "u-1" },
  spec: {
    selector: { a: "b" },
    serviceAccountName: "sa",
    onload: {
      kernelMappings: [],
      userImage: "u:1",
      version: "9.2.0",
      controlPlane: { parameters: ["-K", "--log"] },
    },
    devicePlugin: {
      hostOnloadPath: "/var/onload/",
      kubeletDir: "/opt/rke/var/lib/kubelet/device-plugins/",
      podResourcesDir: "/var/lib/k0s/kubelet/pod-resources/",
      maxPodsPerNode: 7,
      setPreload: false,
      mountOnload: true,
      stackMetrics: true,
    },
  },
});
const pod = desiredDaemonSet(onload, "image").spec.template.spec as PodSpec;
const all = [...pod.initContainers, ...pod.containers];
const container = (name: string): Container => all.find((each) => each.name === name)!;

/** The flags that a container's command is started with, as its subcommand reads them, defaults included. */
async function flagsOf({ args }: Container): Promise<Record<string, string>> {
  const commands: Record<string, Subcommand> = { "device-plugin": devicePlugin, "control-plane": controlPlane };
  let command = commands[args[0]!]!;
  let given = args.slice(1);
  const child = command.subcommands?.[given[0]!];
  if (child) {
    command = await child.load();
    given = given.slice(1);
  }
  const declared: Args = command.args ?? {};
  const values = Object.entries(parseArguments(given, declared) as Record<string, string | boolean>);
  return Object.fromEntries(values.map(([name, value]) => [name, String(value)]));
}

/** What is at a path of a container: a path of the node, and whether it can be written. */
function at(path: string, { volumeMounts }: Container): { ofNode: string | undefined; writable: boolean } | undefined {
  const mount = volumeMounts.find(({ mountPath }) => mountPath === path);
  if (mount === undefined) return undefined;
  const volume = pod.volumes.find(({ name }) => name === mount.name)!;
  return { ofNode: volume.hostPath?.path, writable: mount.readOnly !== true };
}

describe("every container of the DaemonSet is started with flags that its subcommand knows", () => {
  const wanted: Record<string, Record<string, string>> = {
    "copy-onloadctl": { to: "/onloadctl" },
    "install-host-files": { "onload-version": "9.2.0", "host-onload-path": "/var/onload", from: "/opt/onload" },
    "device-plugin": {
      "onload-version": "9.2.0",
      "host-onload-path": "/var/onload",
      "max-pods": "7",
      "set-preload": "false",
      "mount-onload": "true",
      "base-mount-path": "/opt/onload",
      "bin-mount-path": "/usr/bin",
      "lib-mount-path": "/usr/lib64",
      "stack-metrics": "true",
    },
    "onload-worker": { parameters: "-K --log", "server-path": "/opt/onload/sbin/onload_cp_server" },
  };
  test("there are no others", () => expect(all.map(({ name }) => name)).toEqual(Object.keys(wanted)));
  for (const each of all) {
    test(each.name, async () => expect(await flagsOf(each)).toMatchObject(wanted[each.name]!));
  }
});

describe("every container finds what it is told of", () => {
  // Paths of the node below --host-root, and whether they are written to.
  const below: Record<string, Record<string, boolean>> = {
    "install-host-files": { "/sys": false, "/var/onload": true },
    "device-plugin": { "/dev": false, "/sys": false, "/var/onload": true, "/var/lib/onload": false },
    "onload-worker": { "/dev": true, "/sys": true },
  };
  for (const [name, paths] of Object.entries(below)) {
    test(`the node's folders in ${name}`, async () => {
      const { "host-root": hostRoot } = await flagsOf(container(name));
      for (const [path, writable] of Object.entries(paths)) {
        expect(at(join(hostRoot!, path), container(name))).toEqual({ ofNode: path, writable });
      }
    });
  }

  test("the kubelet's folder, at its own path", async () => {
    const { "kubelet-dir": path } = await flagsOf(container("device-plugin"));
    expect(path).toBe("/opt/rke/var/lib/kubelet/device-plugins");
    expect(at(path!, container("device-plugin"))).toEqual({ ofNode: path!, writable: true });
  });

  test("the folder of the kubelet's PodResources service", async () => {
    const { "pod-resources-dir": path } = await flagsOf(container("device-plugin"));
    const ofNode = "/var/lib/k0s/kubelet/pod-resources";
    expect(at(path!, container("device-plugin"))).toEqual({ ofNode, writable: false });
  });

  test("the address that metrics are served on: the node's own", async () => {
    const { ports, env } = container("device-plugin");
    const { "metrics-bind-address": address } = await flagsOf(container("device-plugin"));
    expect(address).toBe("[$(NODE_IP)]:9470");
    expect(env).toContainEqual({ name: "NODE_IP", valueFrom: { fieldRef: { fieldPath: "status.hostIP" } } });
    expect(ports).toMatchObject([{ name: "metrics", containerPort: 9470 }]);
  });

  test("the address that probes are served on, which nobody outside the node reaches", async () => {
    const { livenessProbe, readinessProbe } = container("device-plugin");
    const { "health-probe-bind-address": address } = await flagsOf(container("device-plugin"));
    expect(address).toBe("127.0.0.1:9471");
    expect([livenessProbe!.httpGet, readinessProbe!.httpGet]).toEqual([
      { path: "/healthz", host: "127.0.0.1", port: 9471 },
      { path: "/readyz", host: "127.0.0.1", port: 9471 },
    ]);
  });

  test("the pod's name, in the variable that --pod-name takes it from", () => {
    expect(container("device-plugin").env).toContainEqual({
      name: "POD_NAME",
      valueFrom: { fieldRef: { fieldPath: "metadata.name" } },
    });
    expect(devicePlugin.args?.["pod-name"].description).toContain("$POD_NAME");
  });

  describe("the executable", () => {
    let folder: string;
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), "onload-executable-"));
      copyExecutable(fileOps, "/proc", folder);
    });
    afterAll(() => rmSync(folder, { recursive: true }));

    for (const { name, command } of all.filter((each) => each.command !== undefined)) {
      test(`of ${name} is where the first container copies it`, async () => {
        const { to } = await flagsOf(container("copy-onloadctl"));
        const paths = command!.filter((word) => word.startsWith("/"));
        expect(paths).toHaveLength(3);
        for (const path of paths) expect(existsSync(path.replace(to!, folder))).toBe(true);
        expect(at(to!, container(name))).toEqual({ ofNode: undefined, writable: false });
        expect(at(to!, container("copy-onloadctl"))).toEqual({ ofNode: undefined, writable: true });
      });
    }
  });
});
