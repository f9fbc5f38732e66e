/** Which of a process's own EF_ variables leave its sockets to the kernel. Pure. */
import type { ProcessSettings } from "../acceleration/settings.ts";
import type { ContainerAnswer } from "./answer.ts";

/** A variable that does so on purpose, so that no fault of Onload's is behind it. */
interface Variable {
  name: string;
  /** Whether a number turns acceleration off. */
  turnsOff: (number: number) => boolean;
  kinds: readonly string[];
}

/** Facts of opts_citp_def.h, startup.c and tcp_fd.c of Xilinx-CNS/onload. EF_NO_FAIL=0 does not make Onload fail then. */
const VARIABLES: readonly Variable[] = [
  { name: "EF_DONT_ACCELERATE", turnsOff: (number) => number !== 0, kinds: ["tcp", "tcp_listen", "udp"] },
  { name: "EF_TCP", turnsOff: (number) => number === 0, kinds: ["tcp", "tcp_listen"] },
  { name: "EF_UDP", turnsOff: (number) => number === 0, kinds: ["udp"] },
];

/** What leaves sockets to the kernel. */
export interface LeftToKernel {
  /** Such as "EF_TCP=0 and EF_UDP=0". */
  by: string;
  todo: string;
  /** Whether that is why none of them is accelerated. */
  all: boolean;
}

/**
 * Which variables leave sockets of a container to the kernel.
 *
 * @returns undefined if none does, as far as they are known
 */
export function leftToKernel({
  settings,
  sockets,
}: Pick<ContainerAnswer, "settings" | "sockets">): LeftToKernel | undefined {
  if (settings === undefined || numberOf(settings, "EF_LOAD_ENV") === 0) return undefined;
  const kinds = sockets.flatMap(({ kind, accelerated, count }) =>
    !accelerated && kind !== "loopback" && count > 0 ? [kind] : [],
  );
  const found = VARIABLES.filter(({ name, turnsOff, kinds: own }) => {
    const number = numberOf(settings, name);
    return number !== undefined && turnsOff(number) && own.some((kind) => kinds.includes(kind));
  });
  if (found.length === 0) return undefined;
  const names = found.map(({ name }) => name).join(" and ");
  const stackName = found.some(({ name }) => name === "EF_DONT_ACCELERATE")
    ? ", or name a stack in the program with onload_set_stackname"
    : "";
  return {
    by: found.map(({ name }) => `${name}=${settings[name]}`).join(" and "),
    todo: `Take ${names} out of the pod, its image and its scripts${stackName}`,
    all: kinds.every((kind) => found.some((each) => each.kinds.includes(kind))),
  };
}

/** The number of a variable, as Onload reads it; undefined if it is not there, or no number. */
function numberOf(settings: ProcessSettings, name: string): number | undefined {
  const value = Object.hasOwn(settings, name) ? settings[name] : undefined;
  return typeof value === "string" ? Number.parseInt(value, 10) || 0 : undefined;
}
