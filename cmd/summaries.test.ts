/** A parent lists the summaries of its subcommands without loading them, so each summary is written twice. */
import { expect, test } from "bun:test";
import type { Subcommand } from "../internal/cli/command.ts";
import buildImages from "./build-images.ts";
import devicePlugin from "./device-plugin.ts";
import doctor from "./doctor.ts";
import manifests from "./manifests.ts";
import profile from "./profile.ts";

const parents: [string, Subcommand][] = [
  ["build-images", buildImages],
  ["device-plugin", devicePlugin],
  ["doctor", doctor],
  ["manifests", manifests],
  ["profile", profile],
];
for (const [parent, { subcommands }] of parents) {
  test.each(Object.entries(subcommands ?? {}).filter(([, { hidden }]) => !hidden))(
    `${parent} %s has examples`,
    async (_, child) => {
      const { examples = [] } = await child.load();
      expect(examples.length).toBeGreaterThan(0);
    },
  );
  test.each(Object.entries(subcommands ?? {}))(`the summary of ${parent} %s is its own`, async (_, child) => {
    const { summary } = await child.load();
    expect(child.summary).toBe(summary.replace(/\.$/, ""));
  });
}
