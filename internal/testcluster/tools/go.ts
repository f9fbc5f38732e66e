import { existsSync } from "node:fs";
import { output } from "../lib/command.ts";

/** The oldest Go that builds the pinned modules. */
const oldest = { major: 1, minor: 26 };

let found: Promise<Record<string, string>> | undefined;

/**
 * Finds Go (in PATH, else in /usr/local/go) and returns the environment for its builds.
 * Throws one line that says what to install if there is none or it is too old.
 */
export function goEnvironment(): Promise<Record<string, string>> {
  found ??= find();
  return found;
}

async function find(): Promise<Record<string, string>> {
  const path = `${process.env["PATH"] ?? ""}${existsSync("/usr/local/go/bin/go") ? ":/usr/local/go/bin" : ""}`;
  const wanted = `Go ${oldest.major}.${oldest.minor} or newer`;
  // Statically linked, because the programs also run in images without a C library.
  const environment = { PATH: path, CGO_ENABLED: "0", GOFLAGS: "-buildvcs=false" };
  let version: string;
  try {
    version = await output(["go", "env", "GOVERSION"], { env: environment });
  } catch (cause) {
    throw new Error(`Cannot build the test cluster's programs: ${wanted} is missing; see https://go.dev/dl/`, { cause });
  }
  const [, major = "0", minor = "0"] = /^go(\d+)\.(\d+)/.exec(version) ?? [];
  if (Number(major) < oldest.major || (Number(major) === oldest.major && Number(minor) < oldest.minor)) {
    throw new Error(`Cannot build the test cluster's programs: they need ${wanted}, and this is ${version}; see https://go.dev/dl/`);
  }
  return environment;
}
