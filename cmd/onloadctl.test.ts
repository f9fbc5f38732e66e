/** The compiled executable as its users start it. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { builtExecutable } from "../internal/testcluster/lib/built.ts";
import { run } from "../internal/testcluster/lib/command.ts";

setDefaultTimeout(120_000);

const COMMANDS = [
  "check",
  "build-images",
  "images",
  "manifests",
  "gen-machineconfig",
  "status",
  "wait",
  "plan",
  "pause",
  "resume",
  "retry",
  "rollback",
  "doctor",
  "stack",
  "tcpdump",
  "profile",
  "uninstall",
  "version",
  "completion",
  "licenses",
  "operator",
  "device-plugin",
  "control-plane",
];

let onloadctl: string;
let folder: string;
beforeAll(async () => {
  onloadctl = await builtExecutable();
  folder = await mkdtemp(join(tmpdir(), "onloadctl-test-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const call = (...args: string[]) => run([onloadctl, ...args], { cwd: folder, allowFailure: true });

test("--version prints the version", async () => {
  expect(await call("--version")).toEqual({ code: 0, stdout: `onloadctl ${packageJson.version}\n`, stderr: "" });
});

test("--help lists every command, with the summary that its own help begins with", async () => {
  const { code, stdout } = await call("--help");
  expect(code).toBe(0);
  const commands = stdout.match(/^Commands.*:\n(?:.+\n)+/gm)?.join("") ?? "";
  const listed = [...commands.matchAll(/^ {2}([a-z][a-z-]*) {2,}(.+)$/gm)].map(([, command, summary]) => ({
    command,
    summary,
  }));
  const own = COMMANDS.map(async (command) => {
    const help = await call(command, "--help");
    return { command, summary: help.stdout.split("\n")[0]!.replace(/\.$/, "") };
  });
  expect(listed).toEqual(await Promise.all(own));
});

describe.each(COMMANDS)("%s", (command) => {
  test("--help has a summary, usage and examples, on standard output alone", async () => {
    const { code, stdout, stderr } = await call(command, "--help");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain(`Usage:\n  onloadctl ${command}`);
    expect(stdout).toContain("Examples:\n");
  });

  test("an unknown flag is one line and exit code 2", async () => {
    const { code, stdout, stderr } = await call(command, "--no-such-flag");
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/^Unknown flag --no-such-flag: .+\n$/);
  });
});

test.each([
  [["statu"], 'Unknown command "statu": did you mean status?\n'],
  [
    ["install"],
    'There is no command "install": see onloadctl manifests install, which prints what kubectl apply installs\n',
  ],
  [["constructor"], 'Unknown command "constructor": see onloadctl --help\n'],
  [["nonsense"], 'Unknown command "nonsense": see onloadctl --help\n'],
  [["--verbose"], "Unknown flag --verbose: see --help\n"],
  [["doctor", "pdo", "x"], 'Unknown command "pdo": did you mean pod?\n'],
  [["status", "--hlep"], "Unknown flag --hlep: did you mean --help?\n"],
])("%j is a usage error", async (args, stderr) => {
  expect(await call(...args)).toEqual({ code: 2, stdout: "", stderr });
});

const shell = (script: string) => run(["bash", "-c", script], { cwd: folder, allowFailure: true });

describe.each([
  "--help",
  "--version",
  "help states",
  "version --client",
  "licenses",
  "completion bash",
  "__complete st",
  "manifests crd",
  "manifests sample",
  "manifests install --image=r/i:1 --kubernetes-version=1.30",
  "profile list --profile-dir=profiles",
  "profile show a --profile-dir=profiles",
  "profile convert a --profile-dir=profiles",
  "gen-machineconfig --module-image=r/i:1 --log-level=error",
])("onloadctl %s", (command) => {
  beforeAll(async () => {
    await mkdir(join(folder, "profiles"), { recursive: true });
    await writeFile(join(folder, "profiles", "a.opf"), "onload_set EF_POLL_USEC 1\n");
  });
  test("writes, and an output that is full or closed is an error on one line", async () => {
    expect(await shell(`${onloadctl} ${command}`)).toMatchObject({ code: 0, stdout: expect.stringMatching(/\S/) });
    for (const [where, why] of [
      ["/dev/full", "no space left on device"],
      ["&-", "standard output is closed"],
    ] as const) {
      const { code, stderr } = await shell(`${onloadctl} ${command} >${where}`);
      expect([where, code, stderr]).toEqual([where, 1, `Cannot write the output: ${why}\n`]);
    }
    expect(await shell(`${onloadctl} ${command} >/dev/null`)).toMatchObject({ code: 0, stderr: "" });
  });
});

test("a command that writes nothing needs no output, and a reader that has seen enough is no error", async () => {
  expect(await shell(`${onloadctl} manifests helm --output=chart --image=r/i:1 >&-`)).toMatchObject({ code: 0 });
  const piped = await shell(`set -o pipefail; ${onloadctl} manifests crd | head -1`);
  expect(piped).toMatchObject({ stdout: "---\n", stderr: "" });
});

test("help of commands and topics, and flags before the command", async () => {
  expect((await call("help", "plan")).stdout).toBe((await call("plan", "--help")).stdout);
  expect((await call("help")).stdout).toBe((await call("--help")).stdout);
  expect((await call("help", "states")).stdout).toContain("LoadingOnload\n");
  expect(await call("help", "sttates")).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("did you mean states?"),
  });
  expect(await call("--context", "c", "version", "--client")).toMatchObject({ code: 0, stderr: "" });
});

test("the working folder's bunfig.toml and .env have no effect", async () => {
  await writeFile(join(folder, "bunfig.toml"), 'preload = ["./preload.ts"]\n');
  await writeFile(join(folder, "preload.ts"), 'console.log("preloaded"); process.exit(9);\n');
  await writeFile(join(folder, ".env"), "KUBECONFIG=/no/such/file\n");
  const version = await call("--version");
  expect(version).toMatchObject({ code: 0, stdout: `onloadctl ${packageJson.version}\n` });
  const status = await run([onloadctl, "status"], {
    cwd: folder,
    allowFailure: true,
    env: { HOME: folder, KUBECONFIG: undefined },
  });
  expect(status.stderr).not.toContain("/no/such/file");
});

test("installed as kubectl-onload, help speaks of kubectl onload", async () => {
  const plugin = join(folder, "kubectl-onload");
  await symlink(onloadctl, plugin);
  const { stdout } = await run([plugin, "--help"]);
  expect(stdout).toContain("Usage:\n  kubectl onload COMMAND");
});
