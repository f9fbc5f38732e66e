import { readdir, readlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { ONLOAD_DRIVERS } from "../api/names.ts";
import { readRegularFile } from "../cli/regular-file.ts";
import { unlessInconclusive } from "./inconclusive.ts";

/** A PCI function that Onload can, or could, accelerate. */
export interface Nic {
  /** PCI address, such as 0000:3b:00.0. */
  address: string;
  /** Vendor and device id, such as 1924:0b03. */
  id: string;
  /** Kernel driver bound to it, or undefined if there is none. */
  driver: string | undefined;
  /** NUMA node of the slot, or undefined if the firmware does not say. */
  numaNode: number | undefined;
  /** Network interfaces in the node's network namespace. An interface that was moved into a pod is not listed. */
  interfaces: string[];
}

/**
 * Functions that Onload's own drivers claim: efx_pci_table of sfc, and the X3 of driver_object.c, in the sources of
 * Onload 9.2. EF100 is not among them: Onload 9.0 and later do not build its driver, sfc_ef100, and 8.1 names no NIC of it
 * that it supports.
 */
const KNOWN_IDS: ReadonlySet<string> = new Set([
  ...["0903", "1903", "0923", "1923"].map((id) => `1924:${id}`), // SFC9120, SFC9140 (physical, virtual function)
  ...["0a03", "1a03", "0b03", "1b03"].map((id) => `1924:${id}`), // SFC9220, SFC9250 (X2)
  ...["0c03", "1c03", "2c03", "3c03"].map((id) => `1924:${id}`), // X4
  "1022:1190", // X4 ANA
  "10ee:5084", // X3
]);

/** A server has hundreds of functions of other vendors. Of these only the vendor is read. */
const VENDORS: ReadonlySet<string> = new Set([...KNOWN_IDS].map((id) => id.slice(0, 4)));

/** sysfs gives a page at most, in bytes. */
const MAX_ATTRIBUTE = 64 * 1024;

/** Whether Onload can use the NIC as it is now. */
export function isUsable(nic: Nic): boolean {
  return nic.driver !== undefined && ONLOAD_DRIVERS.has(nic.driver);
}

/**
 * Lists the NICs that are known to Onload, or of its vendors and bound to one of its drivers, by PCI address.
 *
 * Functions that vanish while they are read are left out.
 *
 * @param sysDir the node's /sys
 * @throws if the PCI bus cannot be listed, or this process cannot tell (inconclusive.ts)
 */
export async function scanNics(sysDir: string): Promise<Nic[]> {
  const devices = join(sysDir, "bus/pci/devices");
  const addresses = await readdir(devices).catch((cause: unknown) => {
    throw new Error(`Cannot list PCI devices: ${(cause as Error).message}`, { cause });
  });
  const found = await Promise.all(addresses.sort().map((address) => readNic(join(devices, address))));
  return found.filter((nic) => nic !== undefined);
}

async function readNic(folder: string): Promise<Nic | undefined> {
  try {
    const vendor = await readHex(folder, "vendor");
    if (!VENDORS.has(vendor)) return undefined;
    const id = `${vendor}:${await readHex(folder, "device")}`;
    const driver = await readlink(join(folder, "driver")).then(basename, unlessInconclusive(undefined));
    if (!KNOWN_IDS.has(id) && !(driver && ONLOAD_DRIVERS.has(driver))) return undefined;
    const numa = Number(await readText(folder, "numa_node").catch(unlessInconclusive("-1")));
    return {
      address: basename(folder),
      id,
      driver,
      numaNode: Number.isInteger(numa) && numa >= 0 ? numa : undefined,
      interfaces: (await readdir(join(folder, "net")).catch(unlessInconclusive<string[]>([]))).sort(),
    };
  } catch (error) {
    return unlessInconclusive(undefined)(error);
  }
}

async function readHex(folder: string, name: string): Promise<string> {
  return (await readText(folder, name)).replace(/^0x/, "").toLowerCase();
}

async function readText(folder: string, name: string): Promise<string> {
  return (await readRegularFile(join(folder, name), MAX_ATTRIBUTE)).toString().trim();
}
