/**
 * The parameters of the onload module that say how the kernel starts the control plane server. The container
 * onload-worker sets them, and the device plugin reads them.
 */

/** The folder of the module's parameters, below /sys. */
export const PARAMETERS_DIR = "module/onload/parameters";
/** The program, as the node's root folder has it. */
export const PATH_PARAMETER = "cplane_server_path";
/** Its first arguments, separated by white space. The kernel adds its own after them. */
export const ARGUMENTS_PARAMETER = "cplane_server_params";

/** Whether arguments are crictl's to start a program inside a container, of whatever pod. */
export function startsInContainer(params: string): boolean {
  return /(?:^|\s)exec\s+[0-9a-f]{64}\s/.test(params);
}
