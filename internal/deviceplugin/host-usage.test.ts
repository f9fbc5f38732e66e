import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AllocateResponse } from "../../proto/deviceplugin/v1beta1/api.gen.ts";
import { foldersInUse } from "./host-usage.ts";
import { FakeHost } from "./testing/host.ts";

const [one, two, three] = ["9.1.0-111111111111", "9.2.0-222222222222", "9.3.0-333333333333"] as const;
let host: FakeHost;
let procDir: string;
beforeEach(async () => {
  host = await FakeHost.create();
  procDir = join(host.root, "proc");
  writeFileSync(join(procDir, "uptime"), "1 1");
});
afterEach(() => host.remove());

function process(pid: number, mountinfo: string): void {
  mkdirSync(join(procDir, String(pid)));
  writeFileSync(join(procDir, String(pid), "mountinfo"), mountinfo);
}

/** What the kubelet's checkpoint holds for a pod: the bytes of one container's answer. */
function checkpoint(hostPaths: string[]): void {
  const response = {
    envs: {},
    mounts: hostPaths.map((hostPath) => ({ hostPath, containerPath: "/x", readOnly: true })),
    devices: [],
    annotations: {},
    cdiDevices: [],
  };
  const bytes = Buffer.from(AllocateResponse.encode({ containerResponses: [response] }).finish());
  const entries =
    hostPaths.length > 0 ? [{ ResourceName: "amd.com/onload", AllocResp: bytes.toString("base64") }] : null;
  const data = { Data: { PodDeviceEntries: entries, RegisteredDevices: {} }, Checksum: 1 };
  writeFileSync(join(host.kubeletDir, "kubelet_internal_checkpoint"), JSON.stringify(data));
}

const mount = (path: string): string =>
  `1512 1498 254:0 ${path} /opt/onload/usr/lib64/libonload.so ro,relatime master:1 - ext4 /dev/vda rw\n`;

test("a folder is used by whoever has mounted a file of it, on whatever file system", async () => {
  process(1, "22 1 254:0 / / rw - ext4 /dev/vda rw\n");
  process(77, mount(`/opt/onload/${one}/usr/lib64/libonload.so`));
  process(90, mount(`/onload/${three}/usr/lib64/libonload.so`));
  expect(await foldersInUse([one, two, three], procDir, host.kubeletDir)).toEqual(new Set([one, three]));
});

test("a folder is used by a pod that may start its container again", async () => {
  checkpoint([`/opt/onload/${two}/usr/lib64/libonload.so`]);
  expect(await foldersInUse([one, two], procDir, host.kubeletDir)).toEqual(new Set([two]));
  checkpoint([]);
  expect(await foldersInUse([one, two], procDir, host.kubeletDir)).toEqual(new Set());
});

test("a name that only begins like a folder's does not count", async () => {
  process(77, mount(`/opt/onload/${one}4/usr/lib64/libonload.so`) + mount(`/opt/x${two}/lib`));
  expect(await foldersInUse([one, two], procDir, host.kubeletDir)).toEqual(new Set());
});

test("a folder is found wherever it stands in a long mount table", async () => {
  const piece = 64 * 1024;
  const used = `/opt/onload/${one}/usr/lib64/libonload.so`;
  // The name is cut by the end of a piece at every place.
  for (let before = 0; before <= used.length; before++) {
    const filler = "x".repeat(piece - before - mount("").indexOf("  "));
    process(100 + before, `${filler}${mount(used)}${"y".repeat(piece)}`);
    expect(await foldersInUse([two, one], procDir, host.kubeletDir)).toEqual(new Set([one]));
    rmSync(join(procDir, String(100 + before)), { recursive: true });
  }
});

test("mount tables without end are not read to their end, and leave the question open", async () => {
  for (let pid = 10; pid < 20; pid++) process(pid, mount("/").repeat(10_000));
  await expect(foldersInUse([one], procDir, host.kubeletDir, 5_000_000)).rejects.toThrow(
    "the mounts of all processes have more than 5000000 bytes",
  );
  expect(await foldersInUse([one], procDir, host.kubeletDir, 10_000_000)).toEqual(new Set());
});

test("a process that ends meanwhile is passed over, and what cannot be read leaves the question open", async () => {
  mkdirSync(join(procDir, "55"));
  expect(await foldersInUse([one], procDir, host.kubeletDir)).toEqual(new Set());
  writeFileSync(join(host.kubeletDir, "kubelet_internal_checkpoint"), "{half");
  const file = join(host.kubeletDir, "kubelet_internal_checkpoint");
  await expect(foldersInUse([one], procDir, host.kubeletDir)).rejects.toThrow(
    `Cannot read the kubelet's record of devices ${file}: it is broken or cut off, which is not JSON`,
  );
  for (const odd of ["[]", "null", '{"Data":5}', '{"Data":{"PodDeviceEntries":[null,5,{"AllocResp":7}]}}']) {
    writeFileSync(file, odd);
    expect(await foldersInUse([one], procDir, host.kubeletDir)).toEqual(new Set());
  }
});
