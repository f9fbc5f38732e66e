import { Buffer } from "node:buffer";

/** What a kernel module says about itself (modinfo). */
export interface ModuleInfo {
  name: string;
  /** Such as "5.14.0-1.x86_64 SMP preempt mod_unload modversions ". */
  vermagic: string;
  srcversion?: string;
  depends?: string[];
}

/**
 * A kernel module's file as far as kmod (depmod, modinfo, modprobe --show-depends) reads it: an ELF object for x86-64
 * with the section .modinfo. No kernel could load it.
 */
export function kernelModule({ name, vermagic, srcversion, depends = [] }: ModuleInfo): Buffer {
  const modinfo = Buffer.from(
    [
      "license=GPL",
      ...(srcversion === undefined ? [] : [`srcversion=${srcversion}`]),
      `depends=${depends.join(",")}`,
      `name=${name}`,
      `vermagic=${vermagic}`,
      "",
    ].join("\0"),
  );
  const names = Buffer.from("\0.modinfo\0.shstrtab\0.symtab\0.strtab\0");
  const emptySymbols = Buffer.alloc(24);
  const emptyStrings = Buffer.alloc(1);
  const header = Buffer.alloc(64);
  header.write("\x7fELF\x02\x01\x01", 0, "latin1");
  header.writeUInt16LE(1, 16); // relocatable
  header.writeUInt16LE(62, 18); // x86-64
  header.writeUInt32LE(1, 20);
  header.writeUInt16LE(64, 52); // size of this header
  header.writeUInt16LE(64, 58); // size of a section header
  header.writeUInt16LE(5, 60); // sections
  header.writeUInt16LE(2, 62); // the section with the sections' names

  const contents = [modinfo, names, emptySymbols, emptyStrings];
  const offsets: number[] = [];
  let offset = header.length;
  for (const content of contents) {
    offsets.push(offset);
    offset += content.length;
  }
  const padding = Buffer.alloc((8 - (offset % 8)) % 8);
  header.writeBigUInt64LE(BigInt(offset + padding.length), 40);

  const section = (name: string, type: number, index: number, link = 0, entrySize = 0): Buffer => {
    const entry = Buffer.alloc(64);
    entry.writeUInt32LE(names.indexOf(`${name}\0`), 0);
    entry.writeUInt32LE(type, 4);
    entry.writeBigUInt64LE(BigInt(offsets[index]!), 24);
    entry.writeBigUInt64LE(BigInt(contents[index]!.length), 32);
    entry.writeUInt32LE(link, 40);
    entry.writeUInt32LE(entrySize === 0 ? 0 : 1, 44);
    entry.writeBigUInt64LE(1n, 48);
    entry.writeBigUInt64LE(BigInt(entrySize), 56);
    return entry;
  };
  const sections = [
    Buffer.alloc(64),
    section(".modinfo", 1, 0),
    section(".shstrtab", 3, 1),
    section(".symtab", 2, 2, 4, 24),
    section(".strtab", 3, 3),
  ];
  return Buffer.concat([header, ...contents, padding, ...sections]);
}
