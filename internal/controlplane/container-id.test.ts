import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findContainerId, idFromCgroup, idFromMountinfo } from "./container-id.ts";

const ID = "4f5c2b7be5b43cbf8d4c8f7f2a1f7c0e0f1d2c3b4a5968778695a4b3c2d1e0f9";
const SANDBOX = "a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4";
const POD = "pod0cd14b4c-7f23-4b1d-8f2e-6d8c0e4f9a31";
const POD_SLICE = "kubepods-besteffort-pod0cd14b4c_7f23_4b1d_8f2e_6d8c0e4f9a31.slice";

describe("/proc/self/cgroup", () => {
  const rows: [string, string, string | undefined][] = [
    [
      "v1, containerd, cgroupfs driver",
      `11:memory:/kubepods/besteffort/${POD}/${ID}\n10:cpu,cpuacct:/kubepods/besteffort/${POD}/${ID}\n1:name=systemd:/kubepods/besteffort/${POD}/${ID}`,
      ID,
    ],
    [
      "v1, containerd, systemd driver",
      `12:pids:/kubepods.slice/kubepods-besteffort.slice/${POD_SLICE}/cri-containerd-${ID}.scope\n0::/`,
      ID,
    ],
    [
      "v1, containerd outside of systemd",
      `5:cpuset:/system.slice/containerd.service/${POD_SLICE}:cri-containerd:${ID}`,
      ID,
    ],
    [
      "v1, cri-o, systemd driver",
      `8:memory:/kubepods.slice/kubepods-besteffort.slice/${POD_SLICE}/crio-${ID}.scope`,
      ID,
    ],
    ["v1, cri-o, cgroupfs driver", `8:memory:/kubepods/besteffort/${POD}/crio-${ID}`, ID],
    ["v1, some controllers not delegated", `9:rdma:/\n8:memory:/kubepods/${POD}/${ID}`, ID],
    [
      "v2, containerd, the host's cgroup namespace",
      `0::/kubepods.slice/kubepods-besteffort.slice/${POD_SLICE}/cri-containerd-${ID}.scope`,
      ID,
    ],
    ["v2, cri-o with a group inside the container's", `0::/kubepods.slice/${POD_SLICE}/crio-${ID}.scope/container`, ID],
    ["v2, seen from a sibling's namespace", `0::/../cri-containerd-${ID}.scope`, ID],
    ["v2, a cgroup namespace of its own", "0::/", undefined],
    [
      "cri-o's monitor, which is no container",
      `0::/kubepods.slice/${POD_SLICE}/crio-conmon-${SANDBOX}.scope`,
      undefined,
    ],
    ["a login session", "0::/user.slice/user-0.slice/session-3.scope", undefined],
    ["a pod without a container", `0::/kubepods.slice/kubepods-besteffort.slice/${POD_SLICE}`, undefined],
  ];
  for (const [name, text, id] of rows) test(name, () => expect(idFromCgroup(`${text}\n`)).toBe(id!));
});

describe("/proc/self/mountinfo", () => {
  const hostname = `1290 1262 0:24 /containers/storage/overlay-containers/${SANDBOX}/userdata/hostname /etc/hostname rw - tmpfs tmpfs rw`;
  const rows: [string, string, string | undefined][] = [
    [
      "cri-o's file of the container, not those of its sandbox",
      `${hostname}\n1292 1262 0:24 /containers/storage/overlay-containers/${ID}/userdata/.containerenv /run/.containerenv rw - tmpfs tmpfs rw`,
      ID,
    ],
    [
      "a cgroup v1 hierarchy of the container's own group",
      `1270 1269 0:31 /kubepods/besteffort/${POD}/${ID} /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory`,
      ID,
    ],
    [
      "containerd's sandbox files alone",
      `1290 1262 254:1 /var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/${SANDBOX}/hostname /etc/hostname rw - ext4 /dev/vda1 rw`,
      undefined,
    ],
    [
      "cgroup v2 with a namespace of its own",
      "1269 1262 0:27 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw",
      undefined,
    ],
    [
      "the hosts file, which names the pod",
      `1288 1262 254:1 /var/lib/kubelet/pods/0cd14b4c/etc-hosts /etc/hosts rw - ext4 /dev/vda1 rw`,
      undefined,
    ],
  ];
  for (const [name, text, id] of rows) test(name, () => expect(idFromMountinfo(`${text}\n`)).toBe(id!));
});

describe("findContainerId", () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "onload-id-"));
    mkdirSync(join(root, "proc/self"), { recursive: true });
    writeFileSync(join(root, "proc/self/stat"), "4711 (onloadctl) S 1 4711 4711 0 -1");
    writeFileSync(join(root, "proc/self/cgroup"), "0::/\n");
    writeFileSync(join(root, "proc/self/mountinfo"), "");
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const group = (name: string, pids: string): void => {
    const folder = join(root, "sys/fs/cgroup/kubepods.slice", POD_SLICE, name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "cgroup.procs"), pids);
  };

  test("finds its process in the host's cgroup tree, where nothing else names it", async () => {
    group(`cri-containerd-${SANDBOX}.scope`, "4710\n");
    group(`cri-containerd-${ID}.scope`, "4700\n4711\n");
    expect(await findContainerId(join(root, "proc"), join(root, "sys"))).toBe(ID);
  });

  test("says what to check where nothing names it", () => {
    group(`cri-containerd-${SANDBOX}.scope`, "47110\n471\n");
    expect(findContainerId(join(root, "proc"), join(root, "sys"))).rejects.toThrow(
      "Cannot find the id of this container: neither its cgroup nor its mounts name it: check that the pod has hostPID",
    );
  });
});
