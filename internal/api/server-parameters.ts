/**
 * The parameters of the onload module that say how the kernel starts the control plane server. The container
 * onload-worker sets them, and the device plugin reads them.
 */

/** The folder of the module, and that of its parameters, below /sys. */
export const MODULE_DIR = "module/onload";
export const PARAMETERS_DIR = `${MODULE_DIR}/parameters`;
/** The program, as the node's root folder has it. */
export const PATH_PARAMETER = "cplane_server_path";
/** Its first arguments, separated by white space. The kernel adds its own after them. */
export const ARGUMENTS_PARAMETER = "cplane_server_params";

/** Whether Onload accelerates what goes over veth. */
export const ACCELERATE_VETH_PARAMETER = "oo_accelerate_veth";

/** Whether arguments are crictl's to start a program inside a container, of whatever pod. */
export function startsInContainer(params: string): boolean {
  return /(?:^|\s)exec\s+[0-9a-f]{64}\s/.test(params);
}
