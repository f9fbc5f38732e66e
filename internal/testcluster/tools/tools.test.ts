import { Glob } from "bun";
import { afterAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../lib/command.ts";
import { checkout } from "../lib/paths.ts";
import { CLUSTER_PROGRAMS } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "tools-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs the builder's command line with an empty cache. */
function builder(args: readonly string[], env: Record<string, string>) {
  return run([process.execPath, join(import.meta.dir, "index.ts"), ...args], {
    env: { ONLOADCTL_CACHE: join(folder, "cache"), ...env },
    allowFailure: true,
  });
}

function writeProgram(path: string, text: string): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

test("programs in $KUBEBUILDER_ASSETS are used as they are", async () => {
  const assets = join(folder, "assets");
  writeProgram(join(assets, "etcd"), "#!/bin/sh\n");
  const { code, stdout } = await builder(["etcd"], { KUBEBUILDER_ASSETS: assets });
  expect({ code, stdout }).toEqual({ code: 0, stdout: `${join(assets, "etcd")}\n` });
});

test("a Go that is too old is named in one line, with what is needed", async () => {
  writeProgram(join(folder, "old/go"), "#!/bin/sh\necho go1.22.3\n");
  const { code, stderr } = await builder(["kwok"], { PATH: `${join(folder, "old")}:${process.env["PATH"]}` });
  expect(code).toBe(1);
  expect(stderr).toBe(
    "Cannot build the test cluster's programs: they need Go 1.26 or newer, and this is go1.22.3; see https://go.dev/dl/\n",
  );
});

test("a build that fails says why, and leaves no program in the cache", async () => {
  const go = `#!/bin/sh
case "$1" in
  env) echo go1.26.0 ;;
  list) echo v0.0.0 ;;
  *) echo "no space left on device" >&2; exit 1 ;;
esac
`;
  writeProgram(join(folder, "broken/go"), go);
  const { code, stderr } = await builder(["kwok"], { PATH: `${join(folder, "broken")}:${process.env["PATH"]}` });
  expect(code).toBe(1);
  expect(stderr).toContain("Cannot build kwok");
  expect(stderr).toContain("no space left on device");
  const left = [...new Bun.Glob("**/kwok*").scanSync({ cwd: join(folder, "cache/tools") })];
  expect(left).toEqual([]);
});

test("an unknown program is refused with the names of the known ones", async () => {
  const { code, stderr } = await builder(["kubeadm"], {});
  expect(code).toBe(2);
  expect(stderr).toContain("Cannot build kubeadm: no such program; known are kube-apiserver");
});

test("no test is timed for what the Go compiler takes: programs are built while its file is loaded, or before", () => {
  const timed: string[] = [];
  for (const file of new Glob("{cmd,internal,scripts}/**/*.test.ts").scanSync({ cwd: checkout })) {
    const text = readFileSync(join(checkout, file), "utf8");
    // scripts/test builds the cluster's programs before these.
    const hasCluster = /\.(?:cluster|node)\.test\.ts$/.test(file);
    const calls = text.matchAll(/^(const \w+ = )?(await )?.*?\btool\("([a-z-]+)"\)/gm);
    for (const [, , atTop, name] of calls) {
      const isBuilt = hasCluster && (CLUSTER_PROGRAMS as readonly string[]).includes(name!);
      if (!isBuilt && atTop === undefined) timed.push(`${file}: ${name}`);
    }
    const startsCluster = /\b(?:startControlPlane|OperatorCluster\.start|ProtectedCluster\.start)\(/.test(text);
    if (startsCluster && !hasCluster && !/^await tools\(CLUSTER_PROGRAMS\);$/m.test(text)) timed.push(`${file}: a cluster`);
  }
  expect(timed).toEqual([]);
});
