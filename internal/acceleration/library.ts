/** Whether the program of a process has Onload's library: reads what that takes. */
import { hasMount } from "./mounts.ts";
import { hasOnload, libraryOf, type Library } from "./process.ts";
import type { PatientReader } from "./read.ts";
import { settingsIn, type ProcessSettings } from "./settings.ts";

/** What of a reader is needed. */
type LibraryReader = Pick<PatientReader, "read" | "mountOf">;

/**
 * Whether a process has Onload's library, and if not, why.
 *
 * @param folder /proc/PID
 * @param limit bytes of a file that are read, and an eighth of those of the table of mappings
 * @param isOld whether it has run this program for some looks
 * @returns undefined if it has ended, or is about to start its program
 */
export async function readLibrary(
  folder: string,
  reader: LibraryReader,
  { limit, isOld }: { limit: number; isOld: boolean },
): Promise<Library | undefined> {
  // Libraries come last, and a process may have 65,530 mappings (vm.max_map_count), of about 100 bytes each.
  const mapped = await reader.read(`${folder}/maps`, 8 * limit);
  const maps = mapped?.bytes.toString("latin1") ?? "";
  if (hasOnload(maps)) return "mapped";
  const auxiliary = await reader.read(`${folder}/auxv`, 4096);
  const environment = await reader.read(`${folder}/environ`, limit);
  if (mapped === undefined || auxiliary === undefined || environment === undefined) return "unreadable";
  const library = libraryOf({
    auxiliary: auxiliary.bytes,
    maps,
    mapsCut: mapped.cut,
    environment: environment.bytes,
    environmentCut: environment.cut,
  });
  if (library === undefined) return undefined;
  return isOld || (await isOfContainer(folder, reader, limit)) ? library : undefined;
}

/** Variables that come later than this are not read. */
const MAX_ENVIRONMENT = 128 * 1024;

/** The EF_ variables that a process was started with; undefined if they cannot be read. */
export async function readSettings(folder: string, reader: LibraryReader): Promise<ProcessSettings | undefined> {
  const environment = await reader.read(`${folder}/environ`, MAX_ENVIRONMENT);
  return environment === undefined ? undefined : settingsIn(environment.bytes);
}

/**
 * Whether a process runs a program from the container's own mounts. A container begins as a process of its runtime,
 * which has the container's groups and mounts already and waits there with the runtime's program and environment; what
 * is executed in a container later begins like that, too. It does not stay so: a process that does is one that has made
 * mounts of its own, to which the file that it runs does not belong.
 */
async function isOfContainer(folder: string, reader: LibraryReader, limit: number): Promise<boolean> {
  const mount = await reader.mountOf(`${folder}/exe`);
  const table = await reader.read(`${folder}/mountinfo`, limit);
  // What cannot be told does not take a process out of the count.
  return mount === undefined || table === undefined || table.cut || hasMount(table.bytes.toString("latin1"), mount);
}
