import { readdir } from "node:fs/promises";
import type { Logger } from "../cli/log.ts";
import { COLLECT_GRACE_MS, collectHostFiles } from "./collect-host-files.ts";
import { onHost, type PluginConfig } from "./config.ts";
import { fileOps } from "./file-ops.ts";
import { isVersionFolder } from "./host-layout.ts";
import { foldersInUse } from "./host-usage.ts";
import { Wake } from "./wake.ts";

/** Removes versions of Onload that no container uses, now and then, until the signal is aborted. Never throws. */
export async function keepHostFilesTidy(config: PluginConfig, log: Logger, signal: AbortSignal): Promise<void> {
  const hostDir = onHost(config, config.hostOnloadPath);
  const pause = new Wake();
  while (!signal.aborted) {
    try {
      const names = (await readdir(hostDir)).filter(isVersionFolder);
      // Reading every process's mounts is not free: only where there is something that could go.
      const inUse = names.length > 1 ? await foldersInUse(names, config.procDir, config.kubeletDir) : new Set<string>();
      const removed = collectHostFiles(fileOps, { hostDir, inUse, now: Date.now() });
      if (removed.length > 0) log.info("Removed versions of Onload that no container uses", { removed });
    } catch (error) {
      log.debug("Cannot tidy up Onload's files; trying again later", { hostDir, error });
    }
    await pause.wait(COLLECT_GRACE_MS, signal);
  }
}
