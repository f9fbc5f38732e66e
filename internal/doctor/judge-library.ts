/** Whether processes have Onload's library, and if not, why. Pure. */
import { counted } from "../cli/counted.ts";
import type { Library } from "../acceleration/process.ts";
import type { ContainerAnswer } from "./answer.ts";
import { linkOf, type Link } from "./links.ts";

/** What keeps a process from having the library, and what to do about it. */
const REASONS: Record<Exclude<Library, "mapped">, { seen: string; todo: string }> = {
  musl: {
    seen: "use the C library musl, which cannot load Onload's",
    todo: "Use an image with the GNU C library",
  },
  static: {
    seen: "are linked statically, so that nothing can be preloaded",
    todo: "Link the program dynamically, with the GNU C library; of Go programs, with cgo",
  },
  secure: {
    seen: "are setuid, setgid or privileged by file capabilities, for which the loader ignores LD_PRELOAD",
    todo: "Take the mode or the capabilities off the program's file",
  },
  preload_missing: {
    seen: "were started without LD_PRELOAD",
    todo: "Leave LD_PRELOAD alone in the pod, its image and its scripts",
  },
  preload_replaced: {
    seen: "were started with another LD_PRELOAD, which has taken the place of Onload's",
    todo: "Add Onload's library to that value, or leave LD_PRELOAD alone",
  },
  not_loaded: {
    seen: "have Onload's library in LD_PRELOAD, and the loader did not load it",
    todo: "See the container's standard error for what ld.so says: no such file in the container, another architecture, or an older C library; leave LD_PRELOAD to the device plugin where you can",
  },
  unreadable: {
    seen: "cannot be looked into",
    todo: "Ask again; if it stays so, see the log of the container onload-worker",
  },
};

/** The verbs with which the reasons begin, as they are of one process. */
const OF_ONE: Readonly<Record<string, string>> = { use: "uses", are: "is", were: "was", have: "has", do: "does" };

function forCount(seen: string, count: number): string {
  return count === 1 ? seen.replace(/^\w+/, (verb) => OF_ONE[verb] ?? verb) : seen;
}

const AGAIN = "Ask again in 30 s";

/** With setPreload: false nothing sets the variable, and the onload script does. */
const BY_SCRIPT = "Start the program by the onload script, because spec.devicePlugin.setPreload is false";

/** @param setPreload undefined if it is not known */
export function libraryLink({ processes, processesCut }: ContainerAnswer, setPreload: boolean | undefined): Link {
  const link = linkOf("library");
  const all = sum(Object.values(processes));
  const mapped = processes["mapped"] ?? 0;
  const rest = processesCut === 0 ? [] : [`${counted(processesCut, "was", "were")} not looked into`];
  if (all === 0) {
    const none = `No process of the container was seen${rest.length === 0 ? " yet" : ""}`;
    return link("unknown", [none, ...rest].join("; "), AGAIN);
  }
  const others = Object.entries(processes).filter(([library, count]) => library !== "mapped" && count > 0);
  const have = `${mapped} of ${counted(all, "process has", "processes have")} Onload's library`;
  const why = others.map(([library, count]) => `${count} ${forCount(reasonOf(library).seen, count)}`);
  const seen = [have, ...why, ...rest].join("; ");
  if (others.length === 0) return link("ok", seen);
  const todo = [...new Set(others.map(([library]) => todoOf(library, setPreload)))].filter((each) => each !== "");
  if (mapped > 0) return link("warning", seen, todo.join("; "));
  if (rest.length > 0) todo.push(AGAIN);
  // One that was not looked into may have it.
  const isKnown = rest.length === 0 && (processes["unreadable"] ?? 0) === 0;
  return link(isKnown ? "failed" : "unknown", seen, todo.join("; "));
}

function reasonOf(library: string): { seen: string; todo: string } {
  return Object.hasOwn(REASONS, library)
    ? REASONS[library as keyof typeof REASONS]
    : { seen: `do not have it: ${library}`, todo: "Use an onloadctl of the device plugin's version" };
}

function todoOf(library: string, setPreload: boolean | undefined): string {
  return library === "preload_missing" && setPreload === false ? BY_SCRIPT : reasonOf(library).todo;
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}
