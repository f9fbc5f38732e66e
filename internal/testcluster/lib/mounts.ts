import { readFile } from "node:fs/promises";
import { run } from "./command.ts";

/** Unmounts what is mounted below a folder. Container engines mount their store over itself while they work. */
export async function unmountBelow(folder: string): Promise<void> {
  const mounts = (await readFile("/proc/mounts", "utf8")).split("\n").map((line) => line.split(" ")[1] ?? "");
  for (const path of mounts.filter((mount) => mount.startsWith(`${folder}/`)).toReversed()) await run(["umount", path]);
}
