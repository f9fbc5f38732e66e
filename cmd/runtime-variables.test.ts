import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parse } from "yaml";
import { withDefaults } from "../internal/api/onload.ts";
import { desiredDaemonSet } from "../internal/operator/desired/daemonset.ts";
import { builtExecutable } from "../internal/testcluster/lib/built.ts";
import { environmentProblem } from "./shared/runtime-variables.ts";

interface PodSpec {
  initContainers?: { name: string; env: { name: string; value?: string }[] }[];
  containers: { name: string; env: { name: string; value?: string }[] }[];
}
const onload = withDefaults({
  apiVersion: "onload.amd.com/v1alpha1",
  kind: "Onload",
  metadata: { namespace: "ns", name: "onload" },
  spec: {
    selector: { a: "b" },
    serviceAccountName: "sa",
    onload: { kernelMappings: [], userImage: "u:1", version: "1" },
  },
});

describe("environmentProblem", () => {
  test.each(["BUN_INSPECT", "BUN_INSPECT_CONNECT_TO", "BUN_INSPECT_NOTIFY", "BUN_BYTECODE_ORDER_OUT", "NODE_OPTIONS"])(
    "%s",
    (name) => expect(environmentProblem({ [name]: "x" })).toContain(`unset ${name}`),
  );

  test("no options of the runtime but those that our manifests set", () => {
    expect(environmentProblem({ BUN_OPTIONS: "--smol", BUN_INSPECT_PRELOAD: "node:path" })).toBeUndefined();
    for (const options of ["--preload=/x.js", "--smol --preload=/x.js", "-r /x.js", "--config=/b.toml"]) {
      expect(environmentProblem({ BUN_OPTIONS: options })).toContain("unset BUN_OPTIONS");
    }
  });

  test("empty ones, and others, are no problem", () => {
    expect(environmentProblem({ BUN_OPTIONS: "", BUN_INSPECT: "", PATH: "/bin", BUN_JSC_useJIT: "0" })).toBeUndefined();
  });
});

const PLUGIN = desiredDaemonSet(onload, "image").spec.template.spec as PodSpec;
const OPERATOR = (
  parse(readFileSync(join(import.meta.dir, "../internal/manifests/manager/deployment.yaml"), "utf8")) as {
    spec: { template: { spec: PodSpec } };
  }
).spec.template.spec;

// The runtime ends with an error if it does not know an option. It takes some empty variables for wrong values, depending
// on others: so each container's are tried.
for (const container of ["copy-onloadctl", "install-host-files", "device-plugin", "onload-worker", "manager"]) {
  test(`the program runs with the variables of ${container}, and obeys none of the user image's`, async () => {
    const script = join(mkdtempSync(join(tmpdir(), "onload-environment-")), "evil.js");
    await Bun.write(script, "process.stdout.write('somebody else\\n')");
    const ofImage = { BUN_OPTIONS: `--preload=${script}`, BUN_INSPECT_PRELOAD: script, LD_PRELOAD: "/nowhere.so" };
    const { initContainers = [], containers } = container === "manager" ? OPERATOR : PLUGIN;
    const { env } = [...initContainers, ...containers].find(({ name }) => name === container)!;
    const own = Object.fromEntries(env.map(({ name, value = "" }) => [name, value]));
    const run = async (environment: Record<string, string>) => {
      const child = Bun.spawn([await builtExecutable(), "--version"], {
        env: environment,
        stdout: "pipe",
        stderr: "pipe",
      });
      return { out: await child.stdout.text(), err: await child.stderr.text(), code: await child.exited };
    };
    expect((await run(ofImage)).out).toContain("somebody else");
    expect(await run({ ...ofImage, ...own })).toEqual({ out: expect.stringMatching(/^onloadctl /), err: "", code: 0 });
    rmSync(dirname(script), { recursive: true });
  });
}

test("a program that is open to a debugger ends before it does anything", async () => {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "onloadctl.ts"), "--version"], {
    env: { ...process.env, BUN_INSPECT: "ws://127.0.0.1:0/" },
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  expect({ out, code }).toEqual({ out: "", code: 2 });
  expect(err).toContain("Cannot start with BUN_INSPECT in the environment");
});
