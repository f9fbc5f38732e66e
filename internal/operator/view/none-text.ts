import { firstFew } from "../../cli/first-few.ts";

const MAX_NAMED = 5;

/**
 * `No Onload resources found in namespace "a"; there are some in b, c`.
 *
 * @param asked the namespace that was asked for; undefined: all
 * @param having namespaces of all resources that can be read
 */
export function noneText(asked: string | undefined, having: readonly string[]): string {
  if (asked === undefined) return "No Onload resources found";
  const others = [...new Set(having)].filter((each) => each !== asked).toSorted();
  const hint = others.length === 0 ? "" : `; there are some in ${firstFew(others, MAX_NAMED)}`;
  return `No Onload resources found in namespace "${asked}"${hint}`;
}
