import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

/** What auth.json of podman and config.json of docker have in common. Any part may be missing or of another type. */
interface LoginFile {
  auths?: Record<string, { auth?: unknown } | null> | null;
  credHelpers?: Record<string, string> | null;
  credsStore?: string;
}

/** The key under which docker keeps the login of Docker Hub, and asks its helpers for it. */
const HUB_KEY = "https://index.docker.io/v1/";
const HUB_HOSTS = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/** Time limit for the answer of a helper, in milliseconds. */
const HELPER_TIMEOUT_MS = 30_000;

/**
 * "user:password" in base64 for a repository of a registry, from the files in which podman and docker keep logins, or
 * from docker's helpers. Undefined if nobody logged in.
 *
 * @param authfile the only file to read, if it is given
 * @throws Error naming the file or the helper that cannot be read
 */
export async function findCredentials(
  host: string,
  repository: string,
  authfile: string | undefined,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string | undefined> {
  for (const path of authfile === undefined ? loginFiles(env) : [authfile]) {
    const file = await readLogins(path);
    if (file === undefined) continue;
    const helper = file.credHelpers?.[host] ?? file.credsStore;
    const login =
      loginOf(file, host, repository) ?? (helper === undefined ? undefined : await askHelper(helper, host, env));
    if (login !== undefined) return login;
  }
  return undefined;
}

/** In the order in which podman reads them (containers-auth.json(5)); the last one is docker's own. */
function loginFiles(env: NodeJS.ProcessEnv): string[] {
  const home = env["HOME"] || homedir();
  const uid = String(process.getuid?.() ?? 0);
  return [
    ...(env["REGISTRY_AUTH_FILE"] ? [env["REGISTRY_AUTH_FILE"]] : []),
    join(env["XDG_RUNTIME_DIR"] || `/run/user/${uid}`, "containers/auth.json"),
    join("/run/containers", uid, "auth.json"),
    join(env["XDG_CONFIG_HOME"] || join(home, ".config"), "containers/auth.json"),
    join(env["DOCKER_CONFIG"] || join(home, ".docker"), "config.json"),
  ];
}

async function readLogins(path: string): Promise<LoginFile | undefined> {
  const text = await readFile(path, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return (JSON.parse(text) as LoginFile | null) ?? undefined;
  } catch (cause) {
    const remedy = "mend it, or give another with --authfile";
    throw new Error(`Cannot read the logins in ${path}: it is no JSON; ${remedy}`, { cause });
  }
}

/** The login whose key is closest to the repository: podman keeps logins for namespaces of a registry too. */
function loginOf({ auths }: LoginFile, host: string, repository: string): string | undefined {
  const logins = Object.entries(auths ?? {}).flatMap(([key, login]) =>
    typeof login?.auth === "string" ? [{ key, auth: login.auth }] : [],
  );
  const path = `${host}/${repository}`.split("/");
  for (let length = path.length; length > 0; length--) {
    const wanted = path.slice(0, length).join("/");
    const login = logins.find(({ key }) => key === wanted);
    if (login) return login.auth;
  }
  return logins.find(({ key }) => sameRegistry(hostOfKey(key), host))?.auth;
}

/** The registry that a key names in docker's way, as an address: https://r.example/v1/ */
function hostOfKey(key: string): string | undefined {
  const match = /^(?:https?:\/\/([^/]+)(?:\/.*)?|([^/]+))$/.exec(key);
  return match?.[1] ?? match?.[2];
}

function sameRegistry(a: string | undefined, b: string): boolean {
  return a === b || (a !== undefined && HUB_HOSTS.includes(a) && HUB_HOSTS.includes(b));
}

/** Asks a program as docker does. Undefined if it is not there, or knows no login. */
async function askHelper(helper: string, host: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const program = `docker-credential-${helper}`;
  const answer = await new Promise<string | undefined>((resolve) => {
    const child = execFile(program, ["get"], { env, timeout: HELPER_TIMEOUT_MS }, (error, stdout) =>
      resolve(error ? undefined : stdout),
    );
    child.stdin?.on("error", () => undefined);
    child.stdin?.end(HUB_HOSTS.includes(host) ? HUB_KEY : host);
  });
  if (answer === undefined) return undefined;
  try {
    const login = JSON.parse(answer) as { Username?: unknown; Secret?: unknown } | null;
    if (typeof login?.Username !== "string" || typeof login.Secret !== "string") return undefined;
    return Buffer.from(`${login.Username}:${login.Secret}`).toString("base64");
  } catch (cause) {
    const remedy = "mend it, or give --authfile";
    throw new Error(`Cannot read the login for ${host}: ${program} answers no JSON; ${remedy}`, { cause });
  }
}
