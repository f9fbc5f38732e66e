/** Interfaces of a network namespace and their drivers. */
import { basename, join } from "node:path";
import { ONLOAD_DRIVERS } from "../api/names.ts";
import { shown, type NetworkInterface } from "./facts.ts";
import type { PatientReader } from "./read.ts";

const MAX_INTERFACES = 32;
/** The kernel's table has a line of 125 characters or more for each interface: these are about two thousand. */
const MAX_TABLE = 256 * 1024;
const MAX_UEVENT = 64 * 1024;

/** The interfaces of a network namespace, or some of them, NICs first. */
export interface Interfaces {
  list: NetworkInterface[];
  /** Whether there are more. */
  cut: boolean;
}

/** Names in /proc/PID/net/dev, without the loopback. The kernel lets no name have a slash, a colon or a space. */
export function interfaceNames(text: string): string[] {
  return text
    .split("\n")
    .slice(2)
    .map((line) => line.slice(0, line.indexOf(":")).trim())
    .filter((name) => name !== "" && name !== "lo" && name !== "." && name !== ".." && !name.includes("/"));
}

/** What /sys/class/net/NAME/uevent says of an interface without hardware; undefined if it says nothing. */
export function deviceType(uevent: string): string | undefined {
  return /^DEVTYPE=(\S+)$/m.exec(uevent)?.[1];
}

/**
 * The interfaces of a process's network namespace: first those of Onload's drivers, then other hardware, which Onload may have
 * by AF_XDP. So no number of pods' own on a node keeps one of them from being seen. Drivers are in the container's own sysfs, because the node's shows
 * no interface that was moved into a pod.
 *
 * @param folder /proc/PID
 * @param tables reads what the kernel says of the namespace, which no container can make slow
 * @param reader one of the container's own: what hangs in its folders keeps nothing else from being read
 */
export async function interfacesOf(folder: string, tables: PatientReader, reader: PatientReader): Promise<Interfaces> {
  const table = await tables.read(join(folder, "net/dev"), MAX_TABLE);
  const names = interfaceNames(table?.bytes.toString("latin1") ?? "");
  const found: { name: string; device: string; driver: string | undefined }[] = [];
  // One after the other: each may hang.
  for (const name of names) {
    const device = join(folder, "root/sys/class/net", name);
    const driver = await reader.link(join(device, "device/driver"));
    found.push({ name, device, driver: driver === undefined ? undefined : basename(driver) });
  }
  const list: NetworkInterface[] = [];
  for (const { name, device, driver } of found.toSorted((a, b) => rank(a) - rank(b)).slice(0, MAX_INTERFACES)) {
    const known = driver ?? (await typeOf(device, reader));
    list.push({ name: shown(name), driver: known === undefined ? undefined : shown(known) });
  }
  return { list, cut: names.length > list.length || table?.cut === true };
}

function rank({ driver }: { driver: string | undefined }): number {
  if (driver === undefined) return 2;
  return ONLOAD_DRIVERS.has(driver) ? 0 : 1;
}

/** The type of an interface without hardware; undefined if it cannot be told. */
async function typeOf(device: string, reader: PatientReader): Promise<string | undefined> {
  const uevent = await reader.uevent(join(device, "uevent"), MAX_UEVENT);
  if (uevent === undefined) return undefined;
  // veth, tun and others have no type.
  return deviceType(uevent.bytes.toString("latin1")) ?? "virtual";
}
