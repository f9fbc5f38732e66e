/** The command line of uninstall; what it does is tested in internal/uninstall. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { run } from "../internal/testcluster/lib/command.ts";

const ENTRY = join(import.meta.dirname, "onloadctl.ts");

test.each([
  [["--yes", "--dry-run"], "are mutually exclusive"],
  [[], "standard input is not a terminal: give --yes, or --dry-run"],
  [["--yes", "--timeout=soon"], 'Flag --timeout cannot be "soon"'],
  [["--yes", "--operator-namespace=Not_One"], 'Flag --operator-namespace cannot be "Not_One"'],
])("uninstall %j is refused before anything is asked of a cluster", async (args, words) => {
  const env = { KUBECONFIG: "/no/such/file" };
  const { code, stdout, stderr } = await run([process.execPath, ENTRY, "uninstall", ...args], {
    env,
    input: "",
    allowFailure: true,
  });
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(words);
  expect(stderr.trim().split("\n")).toHaveLength(1);
});
