import { expect, test } from "bun:test";
import { completionScript } from "./scripts.ts";

/** The script as PowerShell reads it: without comments and what stands in quotes, of which it gives what is nested. */
function powershell(): { code: string; literals: string[]; open: string } {
  const literals: string[] = [];
  const code = completionScript("powershell").replaceAll(/#.*|'((?:[^']|'')*)'|"((?:[^"`]|`.)*)"/g, (text: string) => {
    if (text.startsWith("#")) return "";
    literals.push(text);
    return "''";
  });
  const open: string[] = [];
  const pairs: Record<string, string> = { ")": "(", "}": "{", "]": "[" };
  for (const sign of code) {
    if ("({[".includes(sign)) open.push(sign);
    else if (sign in pairs && open.pop() !== pairs[sign]) return { code, literals, open: sign };
  }
  return { code, literals, open: open.join("") };
}

test("PowerShell: every bracket and quote of the script ends", () => {
  const { code, literals, open } = powershell();
  expect(open).toBe("");
  expect(code).not.toMatch(/["`]/);
  expect(literals.filter((text) => text.includes("\n"))).toEqual([]);
});

test("PowerShell: what the program answers is data, quoted where a line would give it a meaning", () => {
  const { code, literals } = powershell();
  expect(code).not.toMatch(/Invoke-Expression|\biex\b|ScriptBlock\]|ExpandString/i);
  // What goes into the line bare: of these no character has a meaning to PowerShell.
  const bare = literals.find((text) => text.startsWith("'^[A-Za-z"))!;
  const bareWords = new RegExp(bare.slice(1, -1));
  for (const word of ["onload-runtime", "worker_1.example.com", "--flag=x", "a/b:c+d"]) {
    expect([word, bareWords.test(word)]).toEqual([word, true]);
  }
  const hostile = "$`'\"();&|<>{}[]@#,*?~!%^ \\\u2018\u2019\u201c\u201d\u00a0".split("").map((sign) => `a${sign}b`);
  for (const word of [...hostile, "", "$(x)"]) expect([word, bareWords.test(word)]).toEqual([word, false]);
  expect(code).toContain("::EscapeSingleQuotedStringContent($value)");
  expect(code.match(/CompletionResult\]::new\(/g)).toHaveLength(2);
});
