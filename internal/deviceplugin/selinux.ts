import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** The label of files that every container may read. container-selinux gives their type to containers' files. */
const CONTAINER_FILE_LABEL = "system_u:object_r:container_file_t:s0";

/**
 * Runs `action`. If SELinux is on, every file that it makes is labelled for containers.
 *
 * The kernel labels what the calling thread makes while fscreate is set, so `action` must make its files with
 * synchronous calls. The image needs no chcon and no policy tools for it.
 *
 * @param sysDir the node's /sys, which has fs/selinux/enforce only if SELinux is on
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
    // After an empty write the policy chooses labels again.
    writeFileSync(attribute, "\n");
  }
}
