/** What a real shell makes of profiles: the judge of our parser, with which it has nothing in common. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The two commands that the script `onload` offers to profiles, and those that print. */
const COMMANDS = `
onload_set() {
  if [ -z "$2" ]; then set -- "\${1%%=*}" "$(printf '%s\\n' "$1" | cut -d= -f2)"; fi
  if eval "[ -z \\"\\\${$1}\\" ]"; then eval "$1=\\$2"; export "$1"; fi
}
onload_import() {
  for candidate in "$folder/$1.opf" "$folder/$1.opf-fragment"; do
    if [ -f "$candidate" ]; then . "$candidate"; return; fi
  done
  exit 3
}
log() { :; }
vlog() { :; }
err() { :; }
`;

/** Variables that a shell gives its programs by itself. */
const OWN = ["PATH", "PWD", "OLDPWD", "SHLVL", "_"];

/** A profile and what its environment has already. */
interface Job {
  text: string;
  environment: Record<string, string>;
}

/** Runs each profile in a shell of its own, and writes what is exported then. */
const SCRIPT = `${COMMANDS}
folder="$1"
last="$2"
set --
cd "$folder"
for job in $(seq 0 "$last"); do
  ( . "$folder/$job.environment"; . "$folder/$job.profile" >/dev/null; env -0 >"$folder/$job.output" )
done
`;

/**
 * Runs each profile in a shell of its own.
 *
 * @param files further profiles by the names of their files
 * @returns exported variables of each; undefined where the shell did not come to the end
 */
export async function shellSettings(
  shell: string,
  jobs: readonly Job[],
  files: Readonly<Record<string, string>> = {},
): Promise<(Record<string, string> | undefined)[]> {
  const folder = await mkdtemp(join(tmpdir(), "profiles-"));
  try {
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    for (const [job, { text, environment }] of jobs.entries()) {
      const given = Object.entries(environment).map(([name, value]) => `export ${name}='${value}'\n`);
      await writeFile(join(folder, `${job}.environment`), given.join(""));
      await writeFile(join(folder, `${job}.profile`), text);
    }
    const child = Bun.spawn([shell, "-c", SCRIPT, "onload", folder, String(jobs.length - 1)], {
      env: { PATH: "/usr/bin:/bin" },
      stdio: ["ignore", "ignore", "ignore"],
      timeout: 60_000,
    });
    await child.exited;
    return await Promise.all(jobs.map((_, job) => readOutput(join(folder, `${job}.output`))));
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function readOutput(path: string): Promise<Record<string, string> | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  const variables = text?.split("\0").slice(0, -1);
  const pairs = variables?.map((each) => [each.slice(0, each.indexOf("=")), each.slice(each.indexOf("=") + 1)]);
  return pairs && Object.fromEntries(pairs.filter(([name]) => !OWN.includes(name!)));
}
