import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The label with which any container may read a file: the type that container-selinux gives to containers' files. */
const CONTAINER_FILE_LABEL = "system_u:object_r:container_file_t:s0";

/**
 * Runs `action` with every file that it makes labelled for containers, where SELinux is on; else just runs it.
 *
 * The kernel labels what the calling thread makes while fscreate is set, so `action` must make its files with
 * synchronous calls. Nothing else is needed in the image: no chcon, no policy tools.
 *
 * @param sysDir the host's /sys, whose fs/selinux/enforce is there only where SELinux is on
 * @param procDir /proc
 */
export function withContainerLabel<T>(sysDir: string, procDir: string, action: () => T): T {
  if (!existsSync(join(sysDir, "fs/selinux/enforce"))) return action();
  const attribute = join(procDir, "thread-self/attr/fscreate");
  try {
    writeFileSync(attribute, CONTAINER_FILE_LABEL);
  } catch (cause) {
    throw new Error(
      `Cannot label Onload's files for containers (SELinux): ${(cause as Error).message}: the container must be privileged`,
      { cause },
    );
  }
  try {
    return action();
  } finally {
    // An empty write gives the policy's own choice back.
    writeFileSync(attribute, "\n");
  }
}
