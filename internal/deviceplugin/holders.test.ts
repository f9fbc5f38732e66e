import { expect, test } from "bun:test";
import type { ListPodResourcesResponse } from "../../proto/podresources/v1/api.gen.ts";
import { parseCheckpoint } from "./checkpoint.ts";
import { holders } from "./holders.ts";

const RESOURCE = "amd.com/onload";

/** What the kubelet says of pods, each with one container and its devices. */
function answer(
  ...pods: [pod: string, container: string, resource: string, ids: string[]][]
): ListPodResourcesResponse {
  return {
    podResources: pods.map(([name, container, resourceName, deviceIds]) => ({
      name,
      namespace: "trading",
      // As it lists devices with NUMA nodes: one by one.
      containers: [{ name: container, devices: deviceIds.map((id) => ({ resourceName, deviceIds: [id] })) }],
    })),
  };
}

function checkpoint(...entries: object[]): ReturnType<typeof parseCheckpoint> {
  return parseCheckpoint(JSON.stringify({ Data: { PodDeviceEntries: entries, RegisteredDevices: {} }, Checksum: 1 }));
}

function entry(PodUID: string, ContainerName: string, DeviceIDs: object | null, ResourceName = RESOURCE): object {
  return { PodUID, ContainerName, ResourceName, DeviceIDs, AllocResp: "CgA=" };
}

test("holders are found by the devices on which service and checkpoint agree", () => {
  const found = holders(
    answer(
      ["b", "app", RESOURCE, ["3", "4"]],
      ["a", "app", RESOURCE, ["0"]],
      ["gpu", "app", "amd.com/gpu", ["1"]],
      ["none", "app", RESOURCE, []],
      // It came after the checkpoint was written, with the devices of one that went.
      ["new", "app", RESOURCE, ["7"]],
      ["other", "sidecar", RESOURCE, ["8"]],
    ),
    checkpoint(
      entry("uid-a", "app", { "-1": ["0"] }),
      entry("uid-b", "app", { "0": ["4", "3"], "1": ["4"] }),
      entry("uid-gpu", "app", { "-1": ["1"] }, "amd.com/gpu"),
      entry("uid-old", "app", ["9"]),
      entry("uid-other", "app", { "-1": ["8"] }),
      entry("uid-null", "app", null),
    ),
  );
  expect(found).toEqual([
    { namespace: "trading", pod: "a", container: "app", podUid: "uid-a" },
    { namespace: "trading", pod: "b", container: "app", podUid: "uid-b" },
  ]);
});

test("an old kubelet's checkpoint has one list of devices", () => {
  const found = holders(answer(["a", "app", RESOURCE, ["0", "1"]]), checkpoint(entry("uid-a", "app", ["1", "0"])));
  expect(found).toMatchObject([{ podUid: "uid-a" }]);
});

test("without entries there is no holder", () => {
  for (const text of ['{"Data":{"PodDeviceEntries":null}}', "{}"]) {
    expect(holders(answer(["a", "app", RESOURCE, ["0"]]), parseCheckpoint(text))).toEqual([]);
  }
});
