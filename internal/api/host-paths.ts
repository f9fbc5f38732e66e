/**
 * Folders of the node that a resource may name. The API server checks them at admission by rules that are made from the
 * expressions here (schema.ts), and the program checks them again, because a resource may have been stored before there
 * was a rule. The operator's own rights end at the same folders (internal/manifests/admission/own-objects.yaml).
 *
 * All expressions are read alike by RE2 and JavaScript.
 */

/** Characters that no path has for a good reason: those of control, which a terminal or a mount table takes amiss. */
// oxlint-disable-next-line no-control-regex -- They are what is looked for.
export const CONTROL_CHARACTERS = /[\x00-\x1f\x7f-\x9f]/;

/** Names that lead elsewhere than they say. */
export const DOT_SEGMENTS = /(^|\/)[.][.]?(\/|$)/;

/** Folders of the system, where a new file may change how the node works, and folders just above them. */
export const SYSTEM_FOLDERS = [
  /^\/+(bin|boot|dev|etc|home|lib[0-9x]*|proc|root|run|sbin|sys)(\/|$)/,
  /^\/+(opt|usr|usr\/+local|var|var\/+lib|var\/+log)\/*$/,
  /^\/+(opt\/+cni|usr\/+(local\/+)?(bin|lib[0-9x]*|libexec|sbin)|var\/+(cache|run|spool|tmp))(\/|$)/,
  /^\/+var\/+lib\/+(cni|containerd|containers|crio|docker|etcd|kubelet|kubernetes|rancher)(\/|$)/,
] as const;

/** An absolute path that can stand in a list of paths: no relative one, not the root folder, no colon. */
export const ABSOLUTE_PATH = /^\/+[^/:][^:]*$/;

/** The folder in which a kubelet looks for device plugins has this name, wherever it is. */
export const DEVICE_PLUGIN_FOLDER = /^\/+[^/:][^:]*\/device-plugins\/*$/;

/** The folder in which a kubelet tells which pods have which devices has this name, wherever it is. */
export const POD_RESOURCES_FOLDER = /^\/+[^/:][^:]*\/pod-resources\/*$/;

/** The longest kubelet folder with which a plugin's socket has a path that the kernel takes (107 characters). */
export const MAX_KUBELET_DIR = 78;

/** Why Onload's files cannot be installed in a folder of the node, or undefined if they can. */
export function hostOnloadPathProblem(path: string): string | undefined {
  if (CONTROL_CHARACTERS.test(path)) return HOST_ONLOAD_PATH_RULES.characters;
  if (!ABSOLUTE_PATH.test(path) || DOT_SEGMENTS.test(path)) return HOST_ONLOAD_PATH_RULES.form;
  return SYSTEM_FOLDERS.some((folders) => folders.test(path)) ? HOST_ONLOAD_PATH_RULES.system : undefined;
}

/** Why a folder cannot be the one in which the kubelet looks for device plugins, or undefined if it can. */
export function kubeletDirProblem(path: string): string | undefined {
  return isKubeletFolder(path, DEVICE_PLUGIN_FOLDER) ? undefined : KUBELET_DIR_RULE;
}

/** Why a folder cannot be the one of the kubelet's PodResources service, or undefined if it can. */
export function podResourcesDirProblem(path: string): string | undefined {
  return isKubeletFolder(path, POD_RESOURCES_FOLDER) ? undefined : POD_RESOURCES_DIR_RULE;
}

function isKubeletFolder(path: string, folder: RegExp): boolean {
  const isPlain = !DOT_SEGMENTS.test(path) && !CONTROL_CHARACTERS.test(path);
  return isPlain && folder.test(path) && path.length <= MAX_KUBELET_DIR;
}

/** What people read where a path is refused. */
export const HOST_ONLOAD_PATH_RULES = {
  characters: "hostOnloadPath must have no control characters, such as line breaks",
  form: "hostOnloadPath must be an absolute path on the node, such as /opt/onload: not relative, not /, without '.', '..' or ':'",
  system:
    "hostOnloadPath must not be a folder of the node's system, such as /etc, /proc or /var/lib/kubelet: use one for Onload alone, such as /opt/onload",
} as const;

export const KUBELET_DIR_RULE = `kubeletDir must be the absolute path of the folder of kubelet.sock, which is named device-plugins, such as /var/lib/kubelet/device-plugins, with at most ${MAX_KUBELET_DIR} characters and without '.', '..', ':' or control characters`;

export const POD_RESOURCES_DIR_RULE = `podResourcesDir must be the absolute path of a folder on the node that is named pod-resources, such as /var/lib/k0s/kubelet/pod-resources, with at most ${MAX_KUBELET_DIR} characters and without '.', '..', ':' or control characters`;
