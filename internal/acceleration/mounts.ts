import { plainUid } from "./cgroup.ts";

/** A container by the names that the kubelet has for it. */
export interface KubeletContainer {
  /** As {@link plainUid} writes it. */
  podUid: string;
  container: string;
}

/**
 * The kubelet mounts a file of its folder pods/UID/containers/NAME into every container, for its last words
 * (kubernetes, pkg/kubelet/kubelet_pods.go, makeMounts). The path is that below the file system's own root folder.
 */
const TERMINATION_LOG = /\/pods\/([0-9a-fA-F-]{32,36})\/containers\/([a-z0-9.-]{1,253})\/[0-9a-f]+$/;

/**
 * Which container a mount table is of, as far as it tells. A process may make a table of its own, so only its control
 * groups say to which pod it belongs: with them, it can lie only about containers of its own pod.
 *
 * @param text /proc/PID/mountinfo
 */
export function kubeletContainer(text: string): KubeletContainer | undefined {
  for (const line of text.split("\n")) {
    const root = line.split(" ", 4)[3] ?? "";
    const match = TERMINATION_LOG.exec(root);
    if (match) return { podUid: plainUid(match[1]!), container: match[2]! };
  }
  return undefined;
}

/**
 * Whether a mount is in a mount table.
 *
 * @param text /proc/PID/mountinfo
 * @param mount the mount's number
 */
export function hasMount(text: string, mount: string): boolean {
  return text.startsWith(`${mount} `) || text.includes(`\n${mount} `);
}
