import { expect, setDefaultTimeout, test } from "bun:test";
import { sharedControlPlane } from "../../testcluster/index.ts";
import { poll } from "../../testcluster/lib/poll.ts";
import type { KubeObject } from "../../api/core.ts";
import { devicePluginName, devicePluginSelector, pluginLabel } from "../../api/names.ts";
import { withDefaults } from "../../api/onload.ts";
import { adoptSpec } from "./adopt.ts";
import { desiredDaemonSet } from "../desired/daemonset.ts";

// Starting a control plane takes a while on a busy machine.
setDefaultTimeout(180_000);

test("a DaemonSet of the original operator becomes ours, with nothing of the original's left", async () => {
  const cluster = await sharedControlPlane();
  const namespace = await cluster.createNamespace("a");
  const key = { namespace, name: "onload" };
  const path = `/apis/apps/v1/namespaces/${namespace}/daemonsets`;
  const exec = (command: string): object => ({ exec: { command: ["/bin/sh", "-c", command] } });
  // As the original makes it: its hooks and its init container would spoil the host files of ours.
  await cluster.request("POST", `${path}?fieldManager=manager`, {
    body: {
      metadata: { name: devicePluginName("onload"), labels: { "onload.amd.com/version": "8.1" } },
      spec: {
        updateStrategy: { type: "OnDelete" },
        selector: { matchLabels: devicePluginSelector(key) },
        template: {
          metadata: { labels: devicePluginSelector(key) },
          spec: {
            serviceAccountName: "onload-operator-sa",
            hostIPC: true,
            hostNetwork: true,
            hostPID: true,
            nodeSelector: { "node-role.kubernetes.io/worker": "" },
            affinity: {
              nodeAffinity: {
                requiredDuringSchedulingIgnoredDuringExecution: {
                  nodeSelectorTerms: [{ matchExpressions: [{ key: pluginLabel(key), operator: "Exists" }] }],
                },
              },
            },
            initContainers: [
              { name: "init", image: "user:8.1", command: ["/bin/sh", "-c", "cp -TRv /opt/onload /host/onload"] },
            ],
            containers: [
              {
                name: "device-plugin",
                image: "plugin:8.1",
                args: ["-maxPods=100"],
                lifecycle: { postStart: exec("chcon"), preStop: exec("rm -r /opt/onload") },
              },
              { name: "onload-worker", image: "plugin:8.1", env: [{ name: "CONTAINER_NAME", value: "onload-worker" }] },
            ],
            volumes: [{ name: "worker-volume", emptyDir: { sizeLimit: "8Mi" } }],
          },
        },
      },
    },
  });
  const raw: KubeObject = { apiVersion: "onload.amd.com/v1alpha1", kind: "Onload", metadata: { ...key, uid: "u-1" } };
  const spec = {
    selector: { "node-role.kubernetes.io/worker": "" },
    serviceAccountName: "onload-operator-sa",
    onload: { kernelMappings: [], userImage: "user:8.1", version: "8.1" },
  };
  const desired = desiredDaemonSet(withDefaults({ ...raw, spec }), "onloadctl:1");
  const name = desired.metadata.name;
  const apply = (): Promise<typeof desired> =>
    cluster.request("PATCH", `${path}/${name}?fieldManager=onloadctl&force=true`, {
      contentType: "apply",
      body: desired,
    });

  expect(JSON.stringify((await apply()).spec)).toContain("rm -r /opt/onload");
  const adopt = async (): Promise<boolean> => {
    const { metadata } = await apply();
    const { resourceVersion } = metadata;
    const managedFields = adoptSpec(metadata.managedFields!);
    const body = { metadata: { resourceVersion, managedFields } };
    await cluster.request("PATCH", `${path}/${name}`, { contentType: "merge", body });
    return true;
  };
  // The DaemonSet controller writes too, and then the object is no longer the one that was read.
  await poll(adopt, { what: "the fields being taken over" });
  const ours = await apply();
  expect(adoptSpec(ours.metadata.managedFields!)).toBeUndefined();
  expect(JSON.stringify(ours.spec)).not.toMatch(/lifecycle|hostIPC|"init"|worker-volume|CONTAINER_NAME|"nodeSelector"/);

  // The same as one that was never the original's.
  await cluster.request("DELETE", `${path}/${name}?propagationPolicy=Background`);
  expect((await apply()).spec).toEqual(ours.spec);
});
