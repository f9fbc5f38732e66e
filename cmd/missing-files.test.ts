/** A file or folder that is not there, or cannot be: one line, which says what cannot be done and why, once. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../internal/testcluster/lib/command.ts";
import { checkout } from "../internal/testcluster/lib/paths.ts";

const folder = mkdtempSync(join(tmpdir(), "missing-files-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
writeFileSync(join(folder, "file"), "");

const COMMANDS = [
  "profile list --profile-dir NONE",
  "profile show latency --profile-dir NONE",
  "profile check NONE.opf",
  "profile convert latency --profile-dir NONE.tgz",
  "plan -f NONE",
  "status --kubeconfig NONE",
  "operator --kubeconfig NONE",
  "manifests bundle --image=r.example.com/x:1 -o FILE/x",
  "manifests helm --image=r.example.com/x:1 -o FILE/x",
  "gen-machineconfig --module-image=r.example.com/x:1 -o NONE/x",
];

test.each(COMMANDS)("%s", async (command) => {
  const words = command.replaceAll("NONE", join(folder, "none")).replaceAll("FILE", join(folder, "file")).split(" ");
  const { code, stdout, stderr } = await run([process.execPath, join(checkout, "cmd/onloadctl.ts"), ...words], {
    cwd: folder,
    env: { HOME: folder, KUBECONFIG: "", KUBERNETES_SERVICE_HOST: "" },
    allowFailure: true,
  });
  expect([1, 2]).toContain(code);
  expect(stdout).toBe("");
  const last = stderr.trimEnd().split("\n").at(-1)!;
  expect(last).toStartWith("Cannot ");
  expect(last).toContain(folder);
  const reasons = last.match(/no such file|there is no|not a directory/g);
  expect({ last, reasons: reasons?.length }).toEqual({ last, reasons: 1 });
});
