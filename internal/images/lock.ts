import { mkdir, open, readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes sure that one run at a time builds for this user; the returned function gives the place free.
 *
 * The file holds the process and when it began, so that a run that was killed does not lock out the next.
 *
 * @throws Error naming the run that is under way
 */
export async function takeLock(path: string): Promise<() => Promise<void>> {
  await mkdir(dirname(path), { recursive: true });
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      const file = await open(path, "wx");
      await file.writeFile(`${process.pid} ${(await startOf(process.pid)) ?? ""}\n`);
      await file.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const [pid = "", start = ""] = (await readFile(path, "utf8").catch(() => "")).trim().split(" ");
    // An empty file belongs to a run that is just writing it.
    if (pid === "" || (await startOf(Number(pid))) === start) {
      throw new Error(
        `Cannot build: another run${pid === "" ? "" : ` (process ${pid})`} is building; wait for it, or stop it`,
      );
    }
    await rm(path, { force: true });
  }
  throw new Error(`Cannot build: another run took ${path}; try again`);
}

/** When a process began, in clock ticks since boot; undefined when there is no such process. */
async function startOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  // The command's name stands in parentheses and may hold spaces; the start time is the 20th field after it.
  return stat?.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
}
