/** Removes Onload's files of versions that no container of the node uses any more. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "../cli/log.ts";
import { onHost, type PluginConfig } from "./config.ts";
import { fileOps, type FileOps } from "./file-ops.ts";
import { CURRENT_LINK, isVersionFolder, MANIFEST_FILE, PARTIAL_PREFIX, REMOVING_PREFIX } from "./host-layout.ts";
import { foldersInUse } from "./host-usage.ts";
import { currentFolder } from "./install-host-files.ts";
import { Wake } from "./wake.ts";

/** How long a former version stays after the switch, and an unfinished copy after its start, in milliseconds. */
export const COLLECT_GRACE_MS = 10 * 60 * 1000;

export interface CollectRequest {
  /** --host-onload-path as this process sees it. */
  hostDir: string;
  /** Names of folders that containers use, or will use when they restart (host-usage.ts). */
  inUse: ReadonlySet<string>;
  /** Milliseconds since the epoch. */
  now: number;
}

/**
 * Removes versions that are neither current nor in use, and what interrupted runs left.
 *
 * A folder gets another name before its files go, so that no half of it is ever taken for a whole one. For some
 * minutes after a switch nothing is removed, because a pod that was admitted just before has yet to mount its files.
 *
 * @returns names of the versions that were removed
 */
export function collectHostFiles(fs: FileOps, { hostDir, inUse, now }: CollectRequest): string[] {
  const current = currentFolder(fs, hostDir);
  if (current === undefined) return [];
  const settled = now - fs.lstatSync(join(hostDir, CURRENT_LINK)).mtimeMs >= COLLECT_GRACE_MS;
  const removed: string[] = [];
  for (const name of fs.readdirSync(hostDir).sort()) {
    const path = join(hostDir, name);
    if (name.startsWith(REMOVING_PREFIX)) {
      fs.rmSync(path, { recursive: true, force: true });
    } else if (name.startsWith(PARTIAL_PREFIX)) {
      if (now - fs.lstatSync(path).mtimeMs >= COLLECT_GRACE_MS) fs.rmSync(path, { recursive: true, force: true });
    } else if (settled && name !== current && isVersionFolder(name) && !inUse.has(name)) {
      // Only what an installation made: the administrator's own folders have no manifest.
      if (!fs.existsSync(join(path, MANIFEST_FILE))) continue;
      const doomed = join(hostDir, `${REMOVING_PREFIX}${name}`);
      fs.renameSync(path, doomed);
      fs.rmSync(doomed, { recursive: true, force: true });
      removed.push(name);
    }
  }
  return removed;
}

export interface CollectorDeps {
  log: Logger;
  /** Milliseconds since the epoch, as the times of files are. */
  now: () => number;
}

/** Collects host files every ten minutes until the signal is aborted. Never throws: what fails is tried again. */
export async function runHostFileCollector(
  config: PluginConfig,
  { log, now }: CollectorDeps,
  signal: AbortSignal,
): Promise<void> {
  const hostDir = onHost(config, config.hostOnloadPath);
  const pause = new Wake();
  while (!signal.aborted) {
    try {
      const names = (await readdir(hostDir)).filter(isVersionFolder);
      // Reading every process's mounts is not free, and is needed only if there is something to remove.
      const inUse = names.length > 1 ? await foldersInUse(names, config.procDir, config.kubeletDir) : new Set<string>();
      const removed = collectHostFiles(fileOps, { hostDir, inUse, now: now() });
      if (removed.length > 0) log.info("Removed versions of Onload that no container uses", { removed });
    } catch (error) {
      log.debug("Cannot tidy up Onload's files; trying again later", { hostDir, error });
    }
    await pause.wait(COLLECT_GRACE_MS, signal);
  }
}
