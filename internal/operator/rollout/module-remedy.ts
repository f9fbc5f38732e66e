/** What a person can do about a kernel module that cannot be loaded or unloaded, from the words of modprobe (kmod). Pure. */

interface Rule {
  pattern: RegExp;
  remedy: string;
}

const OTHER_KERNEL = "it was built for another kernel: build the image for the kernel that the node runs";

/** The texts of kmod's modprobe and of strerror of the GNU C library. The first match counts. */
const RULES: readonly Rule[] = [
  {
    pattern: /Key was rejected by service|Required key not available|module with unavailable key/i,
    remedy:
      "the node takes signed modules only (Secure Boot): sign the modules in the image with a key that is enrolled on the node",
  },
  {
    pattern: /Exec format error|Invalid module format|version magic/i,
    remedy: `${OTHER_KERNEL}, or for another architecture`,
  },
  {
    pattern: /Unknown symbol/i,
    remedy: `${OTHER_KERNEL}, or another release's modules are loaded, such as the kernel's own sfc (spec.onload.kernelMappings[].sfc)`,
  },
  {
    pattern: /Module \S+ not found in directory/i,
    remedy:
      "the image has no such module for this kernel: see `onloadctl build-images verify`, and take the image that was built for it",
  },
  {
    pattern: /Module already in kernel/i,
    remedy:
      "it is loaded, and not by KMM: unload it on the node, such as with onload_tool unload or modprobe -r, and see that nothing there loads it at boot (an installation of Onload on the node, /etc/modules-load.d)",
  },
  {
    pattern: /Module \S+ is in use|Device or resource busy|Resource temporarily unavailable/i,
    remedy: "something on the node uses it: end the node's processes that have sockets of Onload, or reboot the node",
  },
  {
    pattern: /Operation not permitted/i,
    remedy: "the kernel forbids it: kernel lockdown, or kernel.modules_disabled",
  },
  { pattern: /Cannot allocate memory/i, remedy: "the node lacks memory" },
];

/**
 * @param message why KMM's pod failed, with the end of its log
 * @returns undefined if the words say no more than that it failed
 */
export function moduleRemedy(message: string): string | undefined {
  return RULES.find(({ pattern }) => pattern.test(message))?.remedy;
}
