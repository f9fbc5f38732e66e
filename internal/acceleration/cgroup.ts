/** Where a process belongs, by its control groups. A process without rights over the node cannot change these. */
export interface Membership {
  /** The pod's UID as {@link plainUid} writes it. Undefined if the kubelet makes no groups of pods. */
  podUid: string | undefined;
  /** The runtime's id of the container: 64 hexadecimal digits. */
  containerId: string;
}

/** podUID with the driver cgroupfs; kubepods-burstable-podUID.slice with systemd, which has _ for -. */
const POD = /^(?:pod([0-9a-fA-F-]{32,36})|(?:[a-z0-9-]+-)?pod([0-9a-fA-F_-]{32,36})\.slice)$/;
/**
 * ID or crio-ID with cgroupfs; cri-containerd-ID.scope, crio-ID.scope or docker-ID.scope with systemd. The monitor of
 * cri-o is in crio-conmon-ID.scope, and in no container.
 */
const CONTAINER = /^(?:(?:cri-containerd|crio|docker)-)?([0-9a-f]{64})(?:\.scope)?$/;
/** What containerd makes if the kubelet uses systemd and containerd does not. */
const MIXED = /pod([0-9a-fA-F_-]{32,36})\.slice:cri-containerd:([0-9a-f]{64})$/;

/** A pod's UID without what systemd changes in it. */
export function plainUid(uid: string): string {
  return uid.replaceAll(/[-_]/g, "").toLowerCase();
}

/**
 * The container that a process is in.
 *
 * @param text /proc/PID/cgroup, of version 1 or 2 or both; as seen from a group of its own, a path may begin with /..
 * @returns undefined if it is in none
 */
export function membership(text: string): Membership | undefined {
  let found: Membership | undefined;
  for (const line of text.split("\n")) {
    // Most processes of a node are in no container, and an id is long.
    if (line.length < 64) continue;
    const path = line.slice(line.indexOf(":", line.indexOf(":") + 1) + 1);
    const here = ofPath(path);
    if (here?.podUid !== undefined) return here;
    found ??= here;
  }
  return found;
}

/** The outermost container of a path: what is below it is the container's own. */
function ofPath(path: string): Membership | undefined {
  let podUid: string | undefined;
  for (const part of path.split("/")) {
    const mixed = MIXED.exec(part);
    if (mixed) return { podUid: plainUid(mixed[1]!), containerId: mixed[2]! };
    const container = CONTAINER.exec(part);
    if (container) return { podUid, containerId: container[1]! };
    const pod = POD.exec(part);
    if (pod) podUid = plainUid((pod[1] ?? pod[2])!);
  }
  return undefined;
}
