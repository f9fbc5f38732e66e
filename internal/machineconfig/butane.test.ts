/** Our MachineConfigs against the real Butane and Ignition, built from their Go modules. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { parse } from "yaml";
import { tool } from "../testcluster/tools/index.ts";
import { BOOT_FILES } from "./boot-service.ts";
import type { IgnitionConfig } from "./ignition.ts";
import { checkInputs, type Inputs } from "./inputs.ts";
import { writeRendered } from "./output.ts";
import { render } from "./render.ts";
import { IGNITION_SPECS } from "./versions.ts";

setDefaultTimeout(120_000);

// The Go compiler is not among what a test is timed for.
const butane = await tool("butane");
const ignitionValidate = await tool("ignition-validate");
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "onloadctl-butane-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function run(command: string[], stdin: string): Promise<string> {
  const child = Bun.spawn(command, { cwd: folder, stdin: Buffer.from(stdin), stdout: "pipe", stderr: "pipe" });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  expect(`${code} ${err}`).toBe("0 ");
  return out;
}

/** Replaces each file's data URL by what it decodes to: Butane may compress, and Go's gzip writes other bytes. */
function decoded(config: IgnitionConfig): unknown {
  return {
    ...config,
    storage: {
      files: config.storage.files.map(({ contents, ...file }) => {
        const { source, compression } = contents as { source: string; compression?: string };
        const [head, data = ""] = source.slice("data:".length).split(/,(.*)/s);
        const bytes = head!.endsWith(";base64") ? Buffer.from(data, "base64") : Buffer.from(decodeURIComponent(data));
        return { ...file, text: (compression === "gzip" ? gunzipSync(bytes) : bytes).toString() };
      }),
    },
  };
}

function withVersion(version: string, change: Partial<Inputs> = {}): Inputs {
  const inputs = checkInputs({
    moduleImage: "registry.example.com/onload-module:v9.0-${KERNEL_FULL_VERSION}",
    openshiftVersion: version,
    role: "worker",
    name: "99-sfc-machineconfig",
  });
  return { ...inputs, ...change };
}

test.each(Object.keys(IGNITION_SPECS))(
  "OpenShift %s: equal to what Butane makes of our Butane text",
  async (version) => {
    for (const inputs of [withVersion(version), withVersion(version, { role: "true", name: "10.sfc" })]) {
      const ours = parse(render(inputs, "machineconfig").text, { version: "1.1" });
      const ignition = render(inputs, "ignition").text;
      const source = render(inputs, "butane").text;

      const theirs = parse(await run([butane, "--strict"], source), { version: "1.1" });
      expect({ ...ours, spec: { config: decoded(ours.spec.config) } }).toEqual({
        ...theirs,
        spec: { config: decoded(theirs.spec.config) },
      });
      const raw = JSON.parse(await run([butane, "--strict", "--raw"], source));
      expect(decoded(JSON.parse(ignition))).toEqual(decoded(raw));
      await run([ignitionValidate, "-"], ignition);
    }
  },
);

test("Butane takes the local files that -o writes", async () => {
  const inputs = withVersion("4.14.0");
  await writeRendered(join(folder, "sfc.bu"), render(inputs, "butane", true), false);
  const theirs = parse(await run([butane, "--strict", "--files-dir", ".", "sfc.bu"], ""), { version: "1.1" });
  const ours = JSON.parse(render(inputs, "ignition").text);
  expect(decoded(theirs.spec.config)).toEqual(decoded(ours));
});

test("modes are what was meant", async () => {
  const theirs = JSON.parse(await run([butane, "--strict", "--raw"], render(withVersion("4.14.0"), "butane").text));
  const modes = theirs.storage.files.map((file: { mode: number }) => file.mode);
  expect(modes).toEqual(BOOT_FILES.map(({ mode }) => mode));
  expect(new Set(modes)).toEqual(new Set([0o755, 0o644]));
});

test("ignition-validate does refuse what is wrong", async () => {
  const child = Bun.spawn([ignitionValidate, "-"], {
    stdin: Buffer.from('{"ignition":{"version":"3.2.0"},"storage":{"files":[{"path":"relative"}]}}'),
    stdout: "ignore",
    stderr: "ignore",
  });
  expect(await child.exited).not.toBe(0);
});
