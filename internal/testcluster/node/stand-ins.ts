import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** PCI address of the node's stand-in NIC. */
const standInNicAddress = "0000:81:00.0";

/**
 * Puts a stand-in NIC into the node's sysfs: an X2 (1924:0b03) bound to the driver sfc, on NUMA node 0.
 * Only those files exist that Onload's device plugin reads.
 *
 * @param folder the node's state folder; init.sh lays its pci-devices over /sys/bus/pci/devices
 */
export function addStandInNic(folder: string): void {
  const device = join(folder, "pci-devices", standInNicAddress);
  mkdirSync(join(device, "net/ens1f0"), { recursive: true });
  writeFileSync(join(device, "vendor"), "0x1924\n");
  writeFileSync(join(device, "device"), "0x0b03\n");
  writeFileSync(join(device, "class"), "0x020000\n");
  writeFileSync(join(device, "numa_node"), "0\n");
  symlinkSync("../../../drivers/sfc", join(device, "driver"));
}
