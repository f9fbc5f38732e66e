/** Writing files: an error names what could not be written, why, and what to do. */

/** No room: another place is one remedy, and more room the other. */
const FULL = new Set(["ENOSPC", "EDQUOT"]);
/** The place itself is unfit. */
const UNFIT = new Set(["EROFS", "EACCES", "EPERM", "ENOTDIR", "ENAMETOOLONG", "ELOOP"]);

/**
 * Does what writes to `path`, a file or a folder.
 *
 * @param setBy the flag or variable that decides where that is
 * @throws Error that names the path; what is not of the file system is thrown as it is
 */
export async function writing<T>(path: string, setBy: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw writeError(path, setBy, error);
  }
}

/** The error of the file system with what was to be written, and what to do; any other as it is. */
export function writeError(path: string, setBy: string, error: unknown): unknown {
  const { code = "", message = "" } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  const [, reason] = /^E[A-Z0-9]+: ([a-z][^,]*)/.exec(message) ?? [];
  if (reason === undefined) return error;
  const remedy = FULL.has(code)
    ? `; free space there, or choose another place with ${setBy}`
    : UNFIT.has(code)
      ? `; choose another place with ${setBy}`
      : "";
  return new Error(`Cannot write ${path}: ${reason}${remedy}`, { cause: error });
}
