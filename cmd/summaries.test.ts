/** A parent lists the summaries of its subcommands without loading them, so each summary is written twice. */
import { expect, test } from "bun:test";
import type { Lazy, Subcommand } from "../internal/cli/command.ts";
import { root } from "./root.ts";

interface Listed {
  lazy: Lazy;
  command: Subcommand;
}

/** All subcommands by the words that call them, as their parent lists them and as they are. */
async function below(parent: Subcommand, path: string): Promise<[words: string, listed: Listed][]> {
  const all = Object.entries(parent.subcommands ?? {}).map(async ([name, lazy]) => {
    const [words, command] = [`${path} ${name}`, await lazy.load()];
    return [[words, { lazy, command }], ...(await below(command, words))] as [string, Listed][];
  });
  return (await Promise.all(all)).flat();
}

const all = await below(root, "onloadctl");

test.each(all)("the summary of %s is its own", (_, { lazy, command }) => {
  expect(lazy.summary).toBe(command.summary.replace(/\.$/, ""));
});

test.each(all.filter(([, { lazy, command }]) => lazy.hidden !== true && command.run !== undefined))(
  "%s has examples",
  (_, { command }) => {
    expect(command.examples?.length ?? 0).toBeGreaterThan(0);
  },
);
