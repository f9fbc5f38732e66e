/** Completion in real shells, each on a terminal: what is typed and a tab, and the command line that runs then. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { completionScript, type Shell } from "../internal/cli/completion/scripts.ts";
import { requirePackages } from "../internal/testcluster/lib/debian.ts";
import { poll } from "../internal/testcluster/lib/poll.ts";

const PROGRAM = join(import.meta.dirname, "onloadctl.ts");
/** Shells that Debian has. It has no PowerShell, whose script is only read: see internal/cli/completion/scripts.test.ts. */
type RealShell = Exclude<Shell, "powershell">;
const START: Record<RealShell, string[]> = {
  bash: ["bash", "--norc", "--noprofile", "-i"],
  zsh: ["zsh", "-f", "-i"],
  fish: ["fish", "--no-config", "-i"],
};
const SHELLS = Object.keys(START) as RealShell[];
/** zsh asks about folders that others may write to, and completes nothing before compinit. */
const BEFORE: Record<RealShell, string> = { bash: "", zsh: "autoload -Uz compinit; compinit -u;", fish: "" };

let folder: string;
beforeAll(async () => {
  await requirePackages(["zsh", "fish"]);
  folder = await mkdtemp(join(tmpdir(), "onloadctl-completion-"));
  await mkdir(join(folder, "bin"));
  for (const shell of SHELLS) await writeFile(join(folder, shell), completionScript(shell));
  await writeFile(join(folder, "unusual.yaml"), "");
  // Whoever completes asks the real program; the line that is run is written down.
  await script("onloadctl", `if [ "$1" = __complete ]; then exec "${process.execPath}" "${PROGRAM}" "$@"; fi`);
  // What a hostile cluster would have a shell complete.
  await script("onloadctl-hostile", `if [ "$1" = __complete ]; then cat "${folder}/answers"; exit; fi`);
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

async function script(name: string, answer: string): Promise<void> {
  const file = join(folder, "bin", name);
  await writeFile(
    file,
    `#!/bin/bash\n${answer}\nprintf '%s\\n' "$@" > "${folder}/ran.$$"; mv "${folder}/ran.$$" "${folder}/ran"\n`,
  );
  await chmod(file, 0o755);
}

/** Types a line in a shell, with its tabs, and returns the arguments that its program then gets. */
async function type(shell: RealShell, line: string, program = "onloadctl"): Promise<string[]> {
  const ran = join(folder, "ran");
  await rm(ran, { force: true });
  let screen = "";
  const running = Bun.spawn(START[shell], {
    cwd: folder,
    env: {
      PATH: `${folder}/bin:${process.env["PATH"]}`,
      HOME: folder,
      TERM: "xterm",
      LANG: "C.UTF-8",
      KUBECONFIG: "/none",
    },
    terminal: { cols: 200, rows: 50, data: (_, data) => void (screen += new TextDecoder().decode(data)) },
  });
  try {
    const loaded = program === "onloadctl" ? shell : `${shell}-hostile`;
    running.terminal!.write(`${BEFORE[shell]} . ${folder}/${loaded}; echo re''ady\r`);
    await poll(() => screen.includes("ready"), { what: `A prompt of ${shell}` });
    running.terminal!.write(`${program} ${line}\r`);
    const words = await poll(() => readFile(ran, "utf8"), { what: `The command line of ${shell}`, timeoutMs: 20_000 });
    return words.trimEnd().split("\n");
  } catch (error) {
    throw new Error(`${(error as Error).message}; the screen is ${JSON.stringify(screen)}`, { cause: error });
  } finally {
    running.kill("SIGKILL");
    await running.exited;
    running.terminal!.close();
  }
}

describe.each(SHELLS)("%s", (shell) => {
  test.each<[string, string[]]>([
    ["statu\t", ["status"]],
    ["manifests prom\t", ["manifests", "prometheus"]],
    ["status --exit\t", ["status", "--exit-code"]],
    ["status --output js\t", ["status", "--output", "json"]],
    ["status --output=js\t", ["status", "--output=json"]],
    ["status -o js\t -A", ["status", "-o", "json", "-A"]],
    ["plan -f unus\t", ["plan", "-f", "unusual.yaml"]],
    ["plan --filename=unus\t", ["plan", "--filename=unusual.yaml"]],
    ["manifests sample in-cluster-build-u\t", ["manifests", "sample", "in-cluster-build-ubuntu"]],
    ["help rollb\t", ["help", "rollback"]],
    // Nothing fits, and no file takes its place.
    ["status --output unus\t", ["status", "--output", "unus"]],
  ])("%j", async (line, expected) => {
    expect(await type(shell, line)).toEqual(expected);
  });

  test("evaluates nothing of what it is answered", async () => {
    const script = completionScript(shell).replaceAll("onloadctl", "onloadctl-hostile");
    await writeFile(join(folder, `${shell}-hostile`), script);
    const touched = join(folder, `touched-${shell}`);
    const hostile = [`$(touch ${touched})`, `\`touch ${touched}\``, `;touch ${touched};`, `'$(touch ${touched})'`];
    await writeFile(join(folder, "answers"), [...hostile, `node-1\t$(touch ${touched})`, ":4", ""].join("\n"));
    expect(await type(shell, "status --node no\t", "onloadctl-hostile")).toEqual(["status", "--node", "node-1"]);
    // The only answer stands on the line then, which is given up.
    await writeFile(join(folder, "answers"), [hostile[0], ":4", ""].join("\n"));
    expect(await type(shell, `status \t\u0015onloadctl-hostile end`, "onloadctl-hostile")).toEqual(["end"]);
    expect(await readFile(touched, "utf8").catch(() => undefined)).toBeUndefined();
  });
});
