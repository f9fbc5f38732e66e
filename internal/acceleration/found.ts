/** What a look gathers of one container, until it is said as facts. */
import type { Allowance } from "./allowance.ts";
import { isAcceleratedKind, type ContainerFacts } from "./facts.ts";
import type { SocketOwner } from "./kernel-sockets.ts";
import type { Member } from "./members.ts";
import type { SocketKind } from "./sockets.ts";

/** What a look finds in one container. */
export interface Found extends SocketOwner {
  members: Member[];
  stacks: Set<number>;
  /** Kind by a socket's own id. */
  accelerated: Map<string, SocketKind>;
}

/** Of a container of which nothing has been found yet. */
export function newFound(podUid: string, container: string, allowance: Allowance): Found {
  return {
    facts: {
      podUid,
      container,
      processes: {},
      stacks: 0,
      stackIds: [],
      sockets: [],
      interfaces: [],
      interfacesCut: false,
      settings: null,
      cut: { processes: 0, descriptors: 0, tables: 0 },
    },
    members: [],
    stacks: new Set(),
    accelerated: new Map(),
    kernel: new Map(),
    allowance,
  };
}

/** All sockets of a container by kind: those of Onload first. */
export function countSockets({ accelerated, kernel }: Found): ContainerFacts["sockets"] {
  const counts = new Map<string, ContainerFacts["sockets"][number]>();
  const count = (kind: SocketKind, accelerates: boolean): void => {
    const key = `${accelerates ? 0 : 1} ${kind}`;
    const entry = counts.get(key) ?? { kind, accelerated: accelerates, count: 0 };
    counts.set(key, entry);
    entry.count++;
  };
  for (const kind of accelerated.values()) count(kind, isAcceleratedKind(kind));
  for (const kind of kernel.values()) count(kind, false);
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
}
