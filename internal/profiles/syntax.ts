/** A profile as the parser understands it: the part of the shell's language that profiles are written in. */

/** A piece of a word. */
export type Part =
  | { kind: "text"; text: string; quoted: boolean }
  | { kind: "variable"; name: string; quoted: boolean }
  /** The text between $(( and )). */
  | { kind: "arithmetic"; text: string }
  /** Something whose value only a shell could find out; `arguments` if it is "$@". */
  | { kind: "refused"; reason: string; arguments?: boolean };

export interface Word {
  line: number;
  parts: Part[];
}

/** A statement. One that is refused stops a conversion only if it is reached. */
export type Statement =
  | { kind: "command"; line: number; words: Word[] }
  | { kind: "if"; line: number; branches: { condition: Statement[]; body: Statement[] }[]; otherwise: Statement[] }
  | { kind: "case"; line: number; subject: Word; arms: { patterns: Word[]; body: Statement[] }[] }
  | { kind: "refused"; line: number; reason: string };

/** A profile, or a part of one, that cannot be converted. The message says where and why. */
export class ProfileError extends Error {
  override name = "ProfileError";

  constructor(file: string, line: number, reason: string) {
    super(`${file}:${line}: ${reason}`);
  }
}

/** The text of a word of which nothing is quoted or to be found out; undefined for any other. */
export function plainText({ parts }: Word): string | undefined {
  const [part, ...rest] = parts;
  return part?.kind === "text" && !part.quoted && rest.length === 0 ? part.text : undefined;
}
