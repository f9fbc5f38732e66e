import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Which of the folders are used by a container on this node: mounted in any process's mount table, or promised to a
 * pod in the kubelet's checkpoint, from which it starts the containers of a pod again.
 *
 * @param names folder names, unlikely to occur by chance because each ends in a digest
 * @param procDir the host's /proc: the process must see all processes of the node
 * @param kubeletDir folder of the kubelet's checkpoint
 * @throws where the node cannot be read; then everything must be taken as used
 */
export async function foldersInUse(
  names: readonly string[],
  procDir: string,
  kubeletDir: string,
): Promise<Set<string>> {
  const used = new Set<string>();
  const note = (text: string | Buffer): void => {
    for (const name of names) if (text.includes(`/${name}/`)) used.add(name);
  };
  await readMountTables(procDir, note);
  for (const answer of await storedAnswers(join(kubeletDir, "kubelet_internal_checkpoint"))) note(answer);
  return used;
}

/** Passes on the mount table of every process; which of them share one could only be told with more privilege. */
async function readMountTables(procDir: string, note: (table: string) => void): Promise<void> {
  for (const pid of await readdir(procDir)) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      note(await readFile(join(procDir, pid, "mountinfo"), "utf8"));
    } catch (error) {
      // The process ended meanwhile, or is a zombie, whose mounts are gone; anything else leaves the question open.
      const { code } = error as NodeJS.ErrnoException;
      if (code !== "ENOENT" && code !== "ESRCH" && code !== "EINVAL") throw error;
    }
  }
}

/**
 * The Allocate answers that the kubelet keeps for its pods, as the bytes that were sent. It forgets those of ended pods
 * with the next allocation only; until then a folder may seem to be used that is not.
 */
async function storedAnswers(checkpoint: string): Promise<Buffer[]> {
  let text: string;
  try {
    text = await readFile(checkpoint, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  const { Data: data } = JSON.parse(text) as { Data?: { PodDeviceEntries?: { AllocResp?: string }[] | null } };
  return (data?.PodDeviceEntries ?? []).map((entry) => Buffer.from(entry.AllocResp ?? "", "base64"));
}
