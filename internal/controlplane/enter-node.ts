/**
 * Programs of the node, as the kernel starts them. node: has no chroot, so this is the one file of the layer that asks
 * the runtime for more (scripts/lib/import-rules.ts).
 */

/**
 * Becomes a program of the node: same process, the node's root folder, no environment.
 *
 * The kernel starts onload_cp_server in the same way (Onload, src/driver/linux_onload/cplane.c, cp_spawn_server). A chroot
 * does for the node's mounts too, because /proc/1/root leads into the mounts of the node.
 *
 * @param root where this process finds the node's root folder, such as /proc/1/root
 * @param command absolute path on the node, and arguments
 * @returns only by throwing
 * @throws Error "Cannot run PROGRAM on the node: reason"
 */
export async function becomeNodeProgram(root: string, command: readonly string[]): Promise<never> {
  const { dlopen, ptr } = await import("bun:ffi");
  const { symbols } = dlopen("libc.so.6", {
    chroot: { args: ["ptr"], returns: "int" },
    chdir: { args: ["ptr"], returns: "int" },
    execve: { args: ["ptr", "ptr", "ptr"], returns: "int" },
  });
  const text = (value: string): Buffer => Buffer.from(`${value}\0`);
  const words = command.map(text);
  const pointers = (values: readonly Buffer[]): BigUint64Array =>
    new BigUint64Array([...values.map((value) => BigInt(ptr(value))), 0n]);
  const argv = pointers(words);
  const noEnvironment = pointers([]);
  if (symbols.chroot(ptr(text(root))) !== 0 || symbols.chdir(ptr(text("/"))) !== 0) {
    throw new Error(`Cannot run ${command[0]} on the node: its root folder ${root} cannot be entered`);
  }
  symbols.execve(ptr(words[0]!), ptr(argv), ptr(noEnvironment));
  throw new Error(`Cannot run ${command[0]} on the node: there is no such program, or it cannot be executed`);
}
