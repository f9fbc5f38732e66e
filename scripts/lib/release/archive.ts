/** Archives whose bytes follow from their content alone. */
import { buffer } from "node:stream/consumers";
import { gzipSync } from "node:zlib";
import tar from "tar-stream";

/** A file of an archive. */
export interface ArchiveFile {
  /** Path in the archive. */
  readonly name: string;
  readonly content: Uint8Array | string;
  readonly isExecutable?: boolean;
}

/**
 * A tar.gz of files in the order of their names. All are root's, and as old as the release.
 *
 * @param time of every file, in seconds since 1970
 */
export async function tarball(files: readonly ArchiveFile[], time: number): Promise<Uint8Array> {
  const pack = tar.pack();
  const mtime = new Date(time * 1000);
  for (const { name, content, isExecutable } of files.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const header = {
      name,
      mtime,
      mode: isExecutable === true ? 0o755 : 0o644,
      uid: 0,
      gid: 0,
      uname: "root",
      gname: "root",
    };
    pack.entry(header, typeof content === "string" ? content : Buffer.from(content));
  }
  pack.finalize();
  const zipped = gzipSync(await buffer(pack), { level: 9 });
  // The byte that names the operating system.
  zipped[9] = 255;
  return zipped;
}
