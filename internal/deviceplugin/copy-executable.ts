import { basename, join } from "node:path";
import { EXECUTABLE_FILES } from "../api/plugin-pod.ts";
import { errorText } from "../cli/errors.ts";
import { readRegularFileSync } from "../cli/regular-file.ts";
import type { FileOps } from "./file-ops.ts";
import { copyFile } from "./tree.ts";

/** The kernel allows 65,530 maps of a process (vm.max_map_count), of about 150 bytes each. */
const MAX_MAPS = 16 * 1024 * 1024;

/**
 * Copies this program with its dynamic loader and C library into a folder, so that it runs in a container whose image
 * has neither: see executableCommand (plugin-pod.ts).
 *
 * The files to copy are those that are mapped into this process. They are put in place by renaming, because an init
 * container may run again while the former copy is being executed.
 *
 * @param procDir /proc
 * @returns the files, by their names in the folder
 * @throws Error "Cannot copy FILE to FOLDER: reason"; then no half of that file is left there
 */
export function copyExecutable(fs: FileOps, procDir: string, to: string): string[] {
  const { executable, loader, libraries } = mappedFiles(
    readRegularFileSync(join(procDir, "self/maps"), MAX_MAPS).toString(),
    {
      executable: fs.readlinkSync(join(procDir, "self/exe")),
    },
  );
  if (loader === undefined) {
    throw new Error("Cannot copy the executable: it was not started by a dynamic loader");
  }
  fs.mkdirSync(join(to, EXECUTABLE_FILES.libraries), { recursive: true });
  const files = new Map([
    [EXECUTABLE_FILES.program, executable],
    [EXECUTABLE_FILES.loader, loader],
    ...libraries.map((path) => [join(EXECUTABLE_FILES.libraries, basename(path)), path] as const),
  ]);
  for (const [name, from] of files) {
    const partial = join(to, `.partial-${basename(name)}`);
    fs.rmSync(partial, { force: true });
    try {
      copyFile(fs, from, partial, 0o755);
      fs.renameSync(partial, join(to, name));
    } catch (cause) {
      fs.rmSync(partial, { force: true });
      const remedy = (cause as NodeJS.ErrnoException).code === "ENOSPC" ? ": free space on the node's disk" : "";
      throw new Error(`Cannot copy ${from} to ${to}: ${errorText(cause)}${remedy}`, { cause });
    }
  }
  return [...files.keys()];
}

/**
 * Which files of a memory map (/proc/PID/maps) are the dynamic loader and which are shared libraries.
 *
 * @throws for a C library older than 2.34, whose files are not named as programs ask for them
 */
export function mappedFiles(
  maps: string,
  { executable }: { executable: string },
): { executable: string; loader: string | undefined; libraries: string[] } {
  const paths = maps.split("\n").map((line) => /\s(\/\S*)$/.exec(line)?.[1]);
  const shared = new Set(paths.filter((path) => path !== undefined && /\.so(\.[0-9.]+)?$/.test(path)) as string[]);
  const versioned = [...shared].find((path) => /-\d+\.\d+\.so$/.test(path));
  if (versioned !== undefined) {
    throw new Error(
      `Cannot copy the executable: ${versioned} is of an old C library: base the image on glibc 2.34 or newer`,
    );
  }
  const loader = [...shared].find((path) => /^ld-linux.*\.so\.\d+$/.test(basename(path)));
  return { executable, loader, libraries: [...shared].filter((path) => path !== loader && path !== executable) };
}
