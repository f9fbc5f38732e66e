/** How `onloadctl stack` and `tcpdump` run Onload's tools in the container onload-worker of a device plugin's pod. */
import { CONTROL_PLANE, EXECUTABLE_DIR, executableCommand } from "./plugin-pod.ts";

/** The subcommand, below `control-plane`. */
export const RUN_TOOL = "run-tool";

/** What the caller says on standard input from time to time, and what it says so that the tool ends. */
export const ALIVE_WORD = ".";
export const STOP_WORD = "q";

/** The command that runs a tool in the container. */
export function toolCommand(tool: readonly string[]): string[] {
  return [...executableCommand(EXECUTABLE_DIR), ...CONTROL_PLANE.words, RUN_TOOL, "--", ...tool];
}
