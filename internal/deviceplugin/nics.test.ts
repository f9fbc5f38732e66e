import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { isUsable, scanNics } from "./nics.ts";
import { FakeHost, type FakeNic } from "./testing/host.ts";

let host: FakeHost;
beforeEach(async () => {
  host = await FakeHost.create();
});
afterEach(() => host.remove());

const rows: [string, FakeNic, "usable" | "known" | "ignored"][] = [
  ["X2 with sfc", { address: "0000:01:00.0", vendor: "1924", device: "0b03" }, "usable"],
  ["X4 with sfc", { address: "0000:02:00.0", vendor: "1924", device: "0c03" }, "usable"],
  ["X4 full feature only, virtual function", { address: "0000:02:00.1", vendor: "1924", device: "3C03" }, "usable"],
  ["X4 ANA", { address: "0000:03:00.0", vendor: "1022", device: "1190" }, "usable"],
  [
    "X3 with its own driver",
    { address: "0000:04:00.0", vendor: "10ee", device: "5084", driver: "xilinx_efct" },
    "usable",
  ],
  ["one newer than this program", { address: "0000:05:00.0", vendor: "1924", device: "0d03" }, "usable"],
  ["X2 given to a virtual machine", { address: "0000:06:00.0", device: "0a03", driver: "vfio-pci" }, "known"],
  ["X2 before its driver is loaded", { address: "0000:07:00.0", device: "0b03", driver: undefined }, "known"],
  [
    "EF100 with its own driver",
    { address: "0000:0b:00.0", vendor: "10ee", device: "0100", driver: "sfc_ef100" },
    "ignored",
  ],
  ["EF100 without a driver", { address: "0000:0b:00.1", vendor: "10ee", device: "1100", driver: undefined }, "ignored"],
  ["another vendor's", { address: "0000:08:00.0", vendor: "15b3", device: "1017", driver: "mlx5_core" }, "ignored"],
  ["another AMD device", { address: "0000:09:00.0", vendor: "1022", device: "1480", driver: undefined }, "ignored"],
];
for (const [name, nic, wanted] of rows) {
  test(`${name} is ${wanted}`, async () => {
    await host.addNic(nic);
    const [found] = await scanNics(join(host.root, "sys"));
    expect(found ? (isUsable(found) ? "usable" : "known") : "ignored").toBe(wanted);
  });
}

test("reads address, ids, driver, NUMA node and interfaces, in the order of addresses", async () => {
  await host.addNic({ address: "0000:5e:00.1", numaNode: 1, interfaces: ["ens_f1.2-x", "Sfc0"] });
  await host.addNic({ address: "0000:3b:00.0", numaNode: -1 });
  expect(await scanNics(join(host.root, "sys"))).toEqual([
    { address: "0000:3b:00.0", id: "1924:0b03", driver: "sfc", numaNode: undefined, interfaces: [] },
    { address: "0000:5e:00.1", id: "1924:0b03", driver: "sfc", numaNode: 1, interfaces: ["Sfc0", "ens_f1.2-x"] },
  ]);
});

test("a device that is going while it is read is left out", async () => {
  mkdirSync(join(host.root, "sys/bus/pci/devices/0000:0a:00.0"));
  await host.addNic({ address: "0000:3b:00.0" });
  expect(await scanNics(join(host.root, "sys"))).toHaveLength(1);
});

test("a node whose bus cannot be listed is an error, not a node without NICs", async () => {
  rmSync(join(host.root, "sys/bus"), { recursive: true });
  expect(scanNics(join(host.root, "sys"))).rejects.toThrow("Cannot list PCI devices: ENOENT");
});
