/** How much of an ELF file says which machine it is for, in bytes. */
export const ELF_HEAD = 20;

const MACHINES: Record<number, string> = { 21: "ppc64le", 22: "s390x", 62: "amd64", 183: "arm64", 243: "riscv64" };

/** The machine an ELF file is for, as platforms name it, by the start of the file; undefined for other files. */
export function elfMachine(data: Buffer): string | undefined {
  if (data.length < ELF_HEAD || data.readUInt32BE(0) !== 0x7f454c46) return undefined;
  const machine = data[5] === 2 ? data.readUInt16BE(18) : data.readUInt16LE(18);
  return MACHINES[machine] ?? `ELF machine ${machine}`;
}
