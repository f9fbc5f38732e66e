/** Interfaces of a network namespace and their drivers. */
import { basename, join } from "node:path";
import { shown, type NetworkInterface } from "./facts.ts";
import type { PatientReader } from "./read.ts";

const MAX_INTERFACES = 32;
const MAX_TABLE = 64 * 1024;

/** The interfaces of a network namespace, or the first of them. */
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
 * The interfaces of a process's network namespace. Drivers are in the container's own sysfs, because the node's shows
 * no interface that was moved into a pod.
 *
 * @param folder /proc/PID
 * @param tables reads what the kernel says of the namespace, which no container can make slow
 * @param reader one of the container's own: what hangs in its folders keeps nothing else from being read
 */
export async function interfacesOf(folder: string, tables: PatientReader, reader: PatientReader): Promise<Interfaces> {
  const table = await tables.read(join(folder, "net/dev"), MAX_TABLE);
  const names = interfaceNames(table?.bytes.toString("latin1") ?? "");
  const list: NetworkInterface[] = [];
  // One after the other: each may hang.
  for (const name of names.slice(0, MAX_INTERFACES)) {
    const driver = await driverOf(join(folder, "root/sys/class/net", name), reader);
    list.push({ name: shown(name), driver: driver === undefined ? undefined : shown(driver) });
  }
  return { list, cut: names.length > list.length || table?.cut === true };
}

async function driverOf(device: string, reader: PatientReader): Promise<string | undefined> {
  const driver = await reader.link(join(device, "device/driver"));
  if (driver !== undefined) return basename(driver);
  const uevent = await reader.uevent(join(device, "uevent"), MAX_TABLE);
  if (uevent === undefined) return undefined;
  // veth, tun and others have no type.
  return deviceType(uevent.bytes.toString("latin1")) ?? "virtual";
}
